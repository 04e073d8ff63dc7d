//! Packets that come faster than anyone needs an answer.

use super::*;

#[test]
fn a_flood_from_many_addresses_is_not_read_and_the_answers_to_our_queries_are() {
    let mut setup = setup(IpFamily::V4, false);
    let ping = |setup: &mut Setup, from: SocketAddr| {
        let id = NodeId::random(&mut setup.random);
        setup.say(b"tt", from, Body::Query(Query { id, method: Method::Ping, want: None }), true);
        setup.sent().len()
    };
    let stranger = |number: u32| SocketAddr::from(((0x3200_0000 + number).to_be_bytes(), 9));
    // What is no packet at all counts too. It costs as much to find that out.
    for number in 0..2_000 {
        setup.node.receive(b"d1:q4:ping", stranger(number), setup.now);
    }
    assert_eq!(ping(&mut setup, stranger(5_000)), 0);
    setup.node.contact(address("9.9.9.9:9"), setup.now);
    let asked = setup.asked().remove(0);
    setup.reply(&asked, asked.0, NodeId([1; 20]), Vec::new());
    assert_eq!(setup.node.good_nodes(), [asked.0]);
    setup.now += SECOND;
    assert_eq!(ping(&mut setup, stranger(5_000)), 1);
}
