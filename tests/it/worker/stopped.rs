//! Workers that are stopped for longer than their lease, and go on.

use rustix::process::Signal;

use super::house::{House, on_both, wait_until, wish_for_rendition};

on_both! {

what_a_worker_makes_and_says_after_its_lease_ran_out_changes_nothing |house: &House| {
    let program = house.serve(&["--worker=false"]);
    for round in 0..3 {
        let lost_so_far = house.logged().matches("lost to another worker").count();
        let stopped = house.worker();
        wish_for_rendition(&program, "one.mp4", 200 + 2 * round);
        wait_until("it has begun", || !house.ffmpegs().is_empty());
        // Not while it writes: SQLite's lock would be its own for as long as it is stopped. It may have
        // lost its jobs before that is so, and knows it then already.
        wait_until("it is stopped while it does not write", || {
            stopped.signal(Signal::STOP);
            let may_write = house.ask(async { house.queue.begin().await.is_ok() });
            if !may_write {
                stopped.signal(Signal::CONT);
            }
            may_write
        });
        let begun: Vec<_> = house.jobs().into_iter().filter(|job| job.lease_owner.is_some()).collect();
        assert!(!begun.is_empty());
        let mut other = house.worker();
        house.wait_for_the_end();
        other.signal(Signal::TERM);
        assert_eq!(other.wait().code(), Some(0), "{}", house.logged());
        let (jobs, artifacts) = (house.jobs(), house.artifacts());
        stopped.signal(Signal::CONT);
        wait_until("it knows that it has lost them", || {
            house.logged().matches("lost to another worker").count() > lost_so_far
        });
        let mut stopped = stopped;
        stopped.signal(Signal::TERM);
        assert_eq!(stopped.wait().code(), Some(0), "{}", house.logged());
        assert_eq!(house.jobs(), jobs, "nothing has changed");
        assert_eq!(house.artifacts(), artifacts, "nothing has changed");
    }
    drop(program);
    wait_until("no process is left", || house.processes().is_empty());
    let _program = house.serve(&["--worker=false"]);
    house.assert_in_order();
};

}
