//! Processes that are killed at any moment. Whatever they were about, it ends, once.

use std::{env, thread::sleep, time::Duration};

use rustix::process::Signal;

use crate::support::{
    deployment::{Deployment, FILMS, on_both, wish, wish_for_rendition, worker_beside},
    program::Program,
    wait::until_slowly,
};

/// How often each kind of process is killed; more than the few times of a usual run are asked for by
/// this variable of the environment.
const KILLS: usize = 5;
const KILLS_ASKED: &str = "HEADWATER_TEST_KILLS";

/// Jobs that there are to be when something is killed, children not counted.
const JOBS: usize = 6;

/// A process is killed within so many milliseconds.
const MOMENTS_MS: u64 = 1500;

/// Numbers as random as they need be, and the same in each run.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let seed = 0x5eed_0041_e5ed;
        eprintln!("the moments are those of the seed {seed:#x}");
        Self(seed)
    }

    /// xorshift64 of Marsaglia.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// The one place where a test sleeps: that it is any moment is the point.
    fn wait(&mut self) {
        sleep(Duration::from_millis(self.below(MOMENTS_MS)));
    }
}

fn kills() -> usize {
    env::var(KILLS_ASKED).map_or(KILLS, |asked| asked.parse().expect("a number"))
}

/// Sees to it that there is enough to do, each time something else.
fn ask_for_more(deployment: &Deployment, program: &Program, round: usize) {
    loop {
        let jobs = deployment.jobs();
        let parents: Vec<_> = jobs.iter().filter(|job| job.parent.is_none()).collect();
        if parents.iter().filter(|job| !job.state.is_end()).count() >= JOBS {
            return;
        }
        let (film, other) = (FILMS[round % FILMS.len()], parents.len());
        wish(program, &format!(r#"{{"kind":"storyboard","title":"{film}"}}"#));
        wish_for_rendition(program, film, 40 + 2 * ((round + other) % 160));
        let width = 32 + (round + 50 * other) % 1000;
        program.get(&format!("/v/{film}/poster.jpg?width={width}&wait=0"), &[]);
        let time = format!("/v/{film}/thumbnail.webp?time={round}&width={width}&exact&wait=0");
        program.get(&time, &[]);
    }
}

/// Waits until this worker has something to do.
fn wait_for_work(deployment: &Deployment, program: &Program, round: usize, worker: i32) {
    until_slowly("it works", || {
        ask_for_more(deployment, program, round);
        deployment.is_at_work(worker)
    });
}

/// What is told at the end: a test that has killed nothing has shown nothing.
fn tell(deployment: &Deployment, what: &str, killed: usize) {
    let jobs = deployment.jobs();
    let count = |state| jobs.iter().filter(|job| job.state.as_str() == state).count();
    let (done, failed, cancelled) = (count("done"), count("failed"), count("cancelled"));
    let artifacts = deployment.artifacts().len();
    let attempts: u32 = jobs.iter().map(|job| job.attempts).sum();
    eprintln!(
        "{what}: {killed} killed, {} jobs ({done} done, {failed} failed, {cancelled} cancelled \
         with them), {attempts} attempts, {artifacts} artifacts",
        jobs.len()
    );
    for job in jobs.iter().filter(|job| job.state.as_str() == "failed") {
        let why = job.last_error.as_deref().unwrap_or_default();
        assert!(why.contains("worker lost") || why.contains("ffmpeg was killed"), "{job:?}");
    }
    assert!(done > 0);
}

/// Lets all of it come to an end, and a server start once more: then nothing is left behind.
fn put_in_order(deployment: &Deployment, mut program: Program) {
    deployment.wait_for_the_end();
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
    until_slowly("no process is left", || deployment.processes().is_empty());
    let _program = deployment.serve(&["--worker=false"]);
    deployment.assert_in_order();
}

on_both! {

workers_that_are_killed_leave_nothing_undone_and_nothing_behind |deployment: &Deployment| {
    let (program, mut moments) = (deployment.serve(&["--worker=false"]), Moments::new());
    let mut workers = [deployment.worker(), deployment.worker()];
    for round in 0..kills() {
        let worker = &mut workers[round % 2];
        wait_for_work(deployment, &program, round, worker.id());
        moments.wait();
        worker.signal(Signal::KILL);
        worker.wait();
        *worker = deployment.worker();
    }
    deployment.wait_for_the_end();
    for worker in &mut workers {
        worker.signal(Signal::TERM);
        assert_eq!(worker.wait().code(), Some(0), "{}", deployment.logged());
    }
    put_in_order(deployment, program);
    tell(deployment, "workers", kills());
};

ffmpeg_that_is_killed_leaves_nothing_undone_and_nothing_behind |deployment: &Deployment| {
    let (program, mut moments) = (deployment.serve(&[]), Moments::new());
    for round in 0..kills() {
        moments.wait();
        until_slowly("ffmpeg is killed", || {
            ask_for_more(deployment, &program, round);
            let running = deployment.ffmpegs();
            let place = moments.below(running.len().max(1) as u64) as usize;
            running.get(place).is_some_and(|ffmpeg| ffmpeg.signal(Signal::KILL))
        });
    }
    put_in_order(deployment, program);
    tell(deployment, "ffmpeg", kills());
};

servers_that_are_killed_leave_nothing_undone_and_nothing_behind |deployment: &Deployment| {
    let (mut program, mut moments) = (deployment.serve(&[]), Moments::new());
    for round in 0..kills() {
        let mut worker = None;
        until_slowly("it has a worker", || {
            worker = worker_beside(&program);
            worker.is_some()
        });
        wait_for_work(deployment, &program, round, worker.expect("just found"));
        moments.wait();
        program.signal(Signal::KILL);
        program.wait();
        // Now and then the next begins while the worker of the last one puts things in order.
        if moments.below(2) == 0 {
            until_slowly("its worker has ended, too", || deployment.processes().is_empty());
        }
        program = deployment.serve(&[]);
    }
    put_in_order(deployment, program);
    tell(deployment, "servers", kills());
};

}
