//! What a node does when the network was gone for long and is back.

use super::*;

#[test]
fn after_an_outage_the_nodes_that_were_known_are_asked_at_once() {
    let mut setup = setup(IpFamily::V4, false);
    setup.fill((1..9).map(|number| SocketAddr::from(([127, 0, 0, number], 1))));
    let mut known = setup.node.good_nodes();
    known.sort_unstable();
    assert!(known.len() > 4, "{known:?}");
    while setup.node.known() > 0 {
        setup.now += SECOND;
        setup.node.tick(setup.now);
        setup.sent();
    }
    setup.now += 60 * SECOND;
    setup.node.tick(setup.now);
    assert_eq!(setup.asked(), [], "a node that is gone is looked at a quarter of an hour later");
    setup.node.look_again(setup.now);
    let mut asked = Vec::new();
    for _ in 0..known.len() {
        setup.node.tick(setup.now);
        asked.extend(setup.asked().into_iter().map(|asked| asked.0));
        setup.now += SECOND;
    }
    asked.sort_unstable();
    assert_eq!(asked, known);
}
