//! Processes that are killed at any moment: each job still ends, once.

use std::{env, thread::sleep, time::Duration};

use rustix::process::Signal;

use crate::support::{
    deployment::{Deployment, TITLES, local_worker, on_both, post_job, request_rendition},
    program::Program,
    wait::until_slowly,
};

/// The number of kills of each kind of process. This environment variable requests more.
const KILLS: usize = 5;
const KILLS_VARIABLE: &str = "TEST_KILLS";

/// The number of live jobs at the time of a kill, without children.
const JOBS: usize = 6;

/// A process is killed within this many milliseconds.
const MOMENTS_MS: u64 = 1500;

/// Pseudo-random moments, the same in each run.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let seed = 0x5eed_0041_e5ed;
        eprintln!("the moments are those of the seed {seed:#x}");
        Self(seed)
    }

    /// Marsaglia's xorshift64.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// The one place where a test sleeps for its own sake: the moment must be arbitrary.
    fn wait(&mut self) {
        sleep(Duration::from_millis(self.below(MOMENTS_MS)));
    }
}

fn kills() -> usize {
    env::var(KILLS_VARIABLE).map_or(KILLS, |number| number.parse().expect("a number"))
}

/// Enqueues enough jobs, different ones each time.
fn enqueue_more(deployment: &Deployment, program: &Program, round: usize) {
    loop {
        let jobs = deployment.jobs();
        let parents: Vec<_> = jobs.iter().filter(|job| job.parent.is_none()).collect();
        if parents.iter().filter(|job| !job.state.is_end()).count() >= JOBS {
            return;
        }
        let (title, other) = (TITLES[round % TITLES.len()], parents.len());
        post_job(program, &format!(r#"{{"kind":"storyboard","title":"{title}"}}"#));
        request_rendition(program, title, 40 + 2 * ((round + other) % 160));
        let width = 32 + (round + 50 * other) % 1000;
        program.get(&format!("/v/{title}/poster.jpg?width={width}&wait=0"), &[]);
        let time = format!("/v/{title}/thumbnail.webp?time={round}&width={width}&exact&wait=0");
        program.get(&time, &[]);
    }
}

/// Waits until this worker has a job.
fn wait_for_work(deployment: &Deployment, program: &Program, round: usize, worker: i32) {
    until_slowly("the worker has a job", || {
        enqueue_more(deployment, program, round);
        deployment.is_at_work(worker)
    });
}

/// Prints and checks the outcome: a run without work proves nothing.
fn report(deployment: &Deployment, what: &str, killed: usize) {
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

/// Waits for the end of all jobs and starts a server once more: then nothing is left over.
fn shut_down_and_check(deployment: &Deployment, mut program: Program) {
    deployment.wait_for_the_end();
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
    until_slowly("no process is left", || deployment.processes().is_empty());
    let _program = deployment.serve(&["--local-worker=false"]);
    deployment.assert_consistent();
}

on_both! {

killed_workers_leave_no_job_unfinished_and_no_file_behind |deployment: &Deployment| {
    let (program, mut moments) = (deployment.serve(&["--local-worker=false"]), Moments::new());
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
    shut_down_and_check(deployment, program);
    report(deployment, "workers", kills());
};

killed_ffmpegs_leave_no_job_unfinished_and_no_file_behind |deployment: &Deployment| {
    let (program, mut moments) = (deployment.serve(&[]), Moments::new());
    for round in 0..kills() {
        moments.wait();
        until_slowly("ffmpeg is killed", || {
            enqueue_more(deployment, &program, round);
            let running = deployment.ffmpegs();
            let place = moments.below(running.len().max(1) as u64) as usize;
            running.get(place).is_some_and(|ffmpeg| ffmpeg.signal(Signal::KILL))
        });
    }
    shut_down_and_check(deployment, program);
    report(deployment, "ffmpeg", kills());
};

killed_servers_leave_no_job_unfinished_and_no_file_behind |deployment: &Deployment| {
    let (mut program, mut moments) = (deployment.serve(&[]), Moments::new());
    for round in 0..kills() {
        let mut worker = None;
        until_slowly("the server has a worker", || {
            worker = local_worker(&program);
            worker.is_some()
        });
        wait_for_work(deployment, &program, round, worker.expect("just found"));
        moments.wait();
        program.signal(Signal::KILL);
        program.wait();
        // In some rounds the next server starts while the worker of the last one still cleans up.
        if moments.below(2) == 0 {
            until_slowly("its worker has ended, too", || deployment.processes().is_empty());
        }
        program = deployment.serve(&[]);
    }
    shut_down_and_check(deployment, program);
    report(deployment, "servers", kills());
};

}
