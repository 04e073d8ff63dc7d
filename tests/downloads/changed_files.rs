//! Another program changes the files of a download while it runs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::support::download::Download;
use crate::support::gate::Gate;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;

const PIECE: u32 = 16 * 1024;

#[test]
fn what_was_cut_or_overwritten_is_fetched_again_before_the_download_is_done() {
    let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    let overwrite = |path: &Path| {
        File::options().write(true).open(path).unwrap().write_all_at(&[0; 100], 20_000).unwrap();
    };
    for deed in [&cut as &dyn Fn(&Path), &overwrite] {
        let (sample, rest) = (Sample::multi(&[("a", 100_000), ("b", 100_000)], PIECE), Gate::new());
        // The last piece comes when the first file was changed.
        let some = ScriptedPeer::seed(&sample).having(|piece| piece < 12).serving();
        let all = ScriptedPeer::seed(&sample).unchoking_after(rest).serving();
        let download = Download::start(&sample, &[&some, &all]);
        download.wait_until(|snapshot| snapshot.done >= 12 * u64::from(PIECE));
        deed(&download.folder.path().join("many/a"));
        rest.open();
        let snapshot = download.complete(&sample);
        assert!(snapshot.received > sample.payload.len() as u64, "something was fetched again");
    }
}
