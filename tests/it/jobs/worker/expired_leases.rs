//! Workers that are paused for longer than their lease, and resume.

use rustix::process::Signal;

use crate::support::{
    deployment::{Deployment, on_both, request_rendition},
    wait::until_slowly,
};

on_both! {

a_worker_with_an_expired_lease_changes_nothing |deployment: &Deployment| {
    let program = deployment.serve(&["--local-worker=false"]);
    for round in 0..3 {
        let lost_so_far = deployment.logged().matches("lease lost").count();
        let stopped = deployment.worker();
        request_rendition(&program, "one.mp4", 200 + 2 * round);
        until_slowly("it has begun", || !deployment.ffmpegs().is_empty());
        // Not during a write, or the paused worker would hold SQLite's lock. A worker that lost its
        // jobs before the pause knows it already.
        until_slowly("the worker is paused while it does not write", || {
            stopped.signal(Signal::STOP);
            let may_write = deployment.ask(async { deployment.queue.begin().await.is_ok() });
            if !may_write {
                stopped.signal(Signal::CONT);
            }
            may_write
        });
        let begun: Vec<_> = deployment.jobs().into_iter().filter(|job| job.lease_owner.is_some()).collect();
        assert!(!begun.is_empty());
        let mut other = deployment.worker();
        deployment.wait_for_the_end();
        other.signal(Signal::TERM);
        assert_eq!(other.wait().code(), Some(0), "{}", deployment.logged());
        let (jobs, artifacts) = (deployment.jobs(), deployment.artifacts());
        stopped.signal(Signal::CONT);
        until_slowly("it reports that it lost its jobs", || {
            deployment.logged().matches("lease lost").count() > lost_so_far
        });
        let mut stopped = stopped;
        stopped.signal(Signal::TERM);
        assert_eq!(stopped.wait().code(), Some(0), "{}", deployment.logged());
        assert_eq!(deployment.jobs(), jobs, "nothing has changed");
        assert_eq!(deployment.artifacts(), artifacts, "nothing has changed");
    }
    drop(program);
    until_slowly("no process is left", || deployment.processes().is_empty());
    let _program = deployment.serve(&["--local-worker=false"]);
    deployment.assert_consistent();
};

}
