//! The sandbox, by attempts to leave it: as root, too, where the tests run as root.
//!
//! Shells and tools of the system run in place of ffmpeg. The log of a job would have their error
//! output.

use std::{
    fs::File,
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use headwater::transcode::{
    program::find_program,
    sandbox::{Confinement, Policy},
};

use crate::support::{folder::Folder, program::PROGRAM};

/// A folder with a readable file (`readable`), a forbidden one (`secret`), and an output folder
/// (`out`).
struct Place(Folder);

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        folder.put("readable", "readable bytes");
        folder.put("secret", "secret bytes");
        std::fs::create_dir(folder.path("out")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn confinement(&self, program: &str, arguments: &[&str]) -> Confinement {
        let program = find_program(program).expect("a program that every machine has");
        let arguments = arguments.iter().map(Into::into);
        Confinement {
            policy: Policy::Required,
            reads_stdin: true,
            writable: Some(self.path("out")),
            memory_bytes: 256 << 20,
            file_bytes: 1 << 20,
            cpu_s: 20,
            idle_scheduling: false,
            parent: std::process::id().try_into().ok(),
            program: std::iter::once(program.into()).chain(arguments).collect(),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.run_confined(&self.confinement(program, arguments))
    }

    /// Runs a program whose standard input is the readable file.
    fn run_confined(&self, confinement: &Confinement) -> Output {
        let readable = File::open(self.path("readable")).unwrap();
        run(confinement, readable, &self.path("out"))
    }

    /// The error output of a bash script, which must fail.
    fn refused(&self, script: &str) -> String {
        let output = self.run("bash", &["-c", script]);
        assert!(!output.status.success(), "it was allowed: {script}");
        text(&output.stderr)
    }
}

fn run(confinement: &Confinement, stdin: impl Into<Stdio>, folder: &Path) -> Output {
    let mut command = confinement.command(PROGRAM.as_ref());
    command.current_dir(folder).stdin(stdin).output().expect("the helper runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_readable_file_is_read_and_the_folder_is_written() {
    let place = Place::new();
    let script = "read -r line < /proc/self/fd/0; echo \"$line\" > output; mapfile < output";
    let output = place.run("bash", &["-c", script]);
    // `read` fails at the end of a file without a newline, but has read the line.
    assert_eq!(text(&output.stderr), "");
    assert_eq!(std::fs::read_to_string(place.path("out/output")).unwrap(), "readable bytes\n");
}

#[test]
fn reading_outside_is_refused() {
    let place = Place::new();
    let secret = place.path("secret");
    for file in [secret.to_str().unwrap(), "/etc/passwd", "/proc/1/environ", "/proc/self/maps"] {
        let output = place.run("cat", &[file]);
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains(&format!("{file}: Permission denied")), "{output:?}");
    }
    let output = place.run("ls", &["/"]);
    assert!(text(&output.stderr).contains("Permission denied"), "{output:?}");
}

#[test]
fn writing_outside_is_refused() {
    let place = Place::new();
    let (readable, secret) = (place.path("readable"), place.path("secret"));
    for script in [
        format!("echo > {}", place.path("new").display()),
        format!("echo > {}", readable.display()),
        format!("echo >> {}", secret.display()),
        "echo > /dev/shm/headwater-new".into(),
    ] {
        let message = place.refused(&script);
        assert!(message.contains("Permission denied"), "{script}: {message}");
    }
    let moved = place.run("mv", &[secret.to_str().unwrap(), "taken"]);
    assert!(text(&moved.stderr).contains("Permission denied"), "{moved:?}");
    let removed = place.run("rm", &["-f", secret.to_str().unwrap()]);
    assert!(text(&removed.stderr).contains("Permission denied"), "{removed:?}");
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret bytes");
    assert_eq!(std::fs::read_to_string(readable).unwrap(), "readable bytes");
}

/// Landlock does not cover these.
#[test]
fn modes_owners_and_times_are_not_changed() {
    let place = Place::new();
    let readable = place.path("readable");
    let readable = readable.to_str().unwrap();
    for (program, arguments) in [
        ("chmod", ["666", readable]),
        ("chown", ["0:0", readable]),
        ("touch", ["-cd@1", readable]),
        ("truncate", ["-s0", readable]),
    ] {
        let output = place.run(program, &arguments);
        let message = text(&output.stderr);
        let is_named =
            ["Operation not permitted", "Permission denied"].iter().any(|w| message.contains(w));
        assert!(!output.status.success() && is_named, "{program}: {output:?}");
    }
}

#[test]
fn the_network_is_refused() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for protocol in ["tcp", "udp"] {
        let message = place.refused(&format!("exec 3<> /dev/{protocol}/127.0.0.1/{port}"));
        assert!(message.contains("Operation not permitted"), "{message}");
    }
    let error = listener.accept().expect_err("no connection came");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn another_process_is_refused() {
    let place = Place::new();
    for script in ["(:)", ": | :", ": &"] {
        let output = place.run("bash", &["-c", script]);
        let message = text(&output.stderr);
        assert!(message.contains("fork: Operation not permitted"), "{script}: {output:?}");
    }
}

#[test]
fn signals_to_others_are_refused() {
    let place = Place::new();
    let pid = std::process::id();
    for script in [format!("kill -0 {pid}"), "kill -0 1".into(), format!("kill -9 -{pid}")] {
        let message = place.refused(&script);
        assert!(message.contains("Operation not permitted"), "{script}: {message}");
    }
    // Signals to itself are allowed: that is how a program aborts.
    let output = place.run("bash", &["-c", "kill -TERM $$"]);
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
}

#[test]
fn mounts_and_namespaces_are_refused() {
    let place = Place::new();
    for (program, arguments) in
        [("mount", &["-t", "tmpfs", "none", "/mnt"] as &[&str]), ("unshare", &["-U", "true"])]
    {
        let output = place.run(program, arguments);
        let message = text(&output.stderr).to_lowercase();
        let is_named = ["not permitted", "permission denied", "must be superuser"]
            .iter()
            .any(|words| message.contains(words));
        assert!(!output.status.success() && is_named, "{program}: {output:?}");
    }
}

/// Calls without a tool, one by one, by Perl: each in its own process.
#[test]
fn system_calls_are_refused_by_number_and_arguments() {
    use libc::{ENOSYS, EPERM};
    let place = Place::new();
    if find_program("perl").is_none() {
        eprintln!("this test did not run: perl is not installed");
        return;
    }
    let readable = place.path("readable");
    let emptying = format!("-100, $ARGV[0], {}", libc::O_RDONLY | libc::O_TRUNC);
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let shared = format!("0, 4096, 3, {shared}, -1, 0");
    let typing = format!("0, {}, 0", libc::TIOCSTI);
    let user = libc::CLONE_NEWUSER.to_string();
    let server = std::process::id();
    let (limits, memory) = (format!("{server}, 7, 0, 0"), format!("{server}, 0, 0, 0, 0, 0"));
    let tracing = format!("16, {server}, 0, 0");
    for (name, call, arguments, errno) in [
        ("socket of the machine", libc::SYS_socket, "1, 1, 0", EPERM),
        ("socket of the kernel", libc::SYS_socket, "16, 3, 0", EPERM),
        ("pair of sockets", libc::SYS_socketpair, "1, 1, 0, 0", EPERM),
        ("process", libc::SYS_clone, "17, 0, 0, 0, 0", EPERM),
        ("process by the newer call", libc::SYS_clone3, "0, 0", ENOSYS),
        ("ring of calls", libc::SYS_io_uring_setup, "1, 0", ENOSYS),
        ("file by the newer call", libc::SYS_openat2, "0, 0, 0, 0", ENOSYS),
        ("mode by the newer call", 452, "0, 0, 0, 0", ENOSYS),
        ("another group", libc::SYS_setpgid, "0, 0", EPERM),
        ("another session", libc::SYS_setsid, "", EPERM),
        ("outliving the server", libc::SYS_prctl, "1, 0", EPERM),
        ("limits of the server", libc::SYS_prlimit64, &limits, EPERM),
        ("memory of the server", libc::SYS_process_vm_readv, &memory, EPERM),
        ("tracing the server", libc::SYS_ptrace, &tracing, EPERM),
        ("signals by files", libc::SYS_fcntl, "0, 8, 1", EPERM),
        ("files in memory", libc::SYS_memfd_create, "$ARGV[0], 0", EPERM),
        ("shared memory", libc::SYS_shmget, "0, 4096, 0", EPERM),
        ("shared mappings", libc::SYS_mmap, &shared, EPERM),
        ("emptying by opening", libc::SYS_openat, &emptying, EPERM),
        ("files by handles", libc::SYS_open_by_handle_at, "0, 0, 0", EPERM),
        ("programs in the kernel", libc::SYS_bpf, "0, 0, 0", EPERM),
        ("faults of pages", libc::SYS_userfaultfd, "0", EPERM),
        ("keys", libc::SYS_keyctl, "0, 0", EPERM),
        ("a mount", libc::SYS_mount, "0, $ARGV[0], 0, 0, 0", EPERM),
        ("another root", libc::SYS_chroot, "$ARGV[0]", EPERM),
        ("a namespace", libc::SYS_unshare, &user, EPERM),
        ("a terminal's input", libc::SYS_ioctl, &typing, EPERM),
        #[cfg(target_arch = "x86_64")]
        ("socket by its x32 number", libc::SYS_socket | 0x4000_0000, "1, 1, 0", EPERM),
    ] {
        let separator = if arguments.is_empty() { "" } else { ", " };
        let script = format!("print syscall({call}{separator}{arguments}), ' ', $! + 0");
        let output = place.run("perl", &["-e", &script, readable.to_str().unwrap()]);
        assert_eq!(text(&output.stdout), format!("-1 {errno}"), "{name}: {output:?}");
    }
    assert_eq!(std::fs::read_to_string(readable).unwrap(), "readable bytes");
}

#[test]
fn memory_is_limited() {
    let place = Place::new();
    // A string of a GiB, in a process that may have a quarter of that.
    let message = place.refused("printf -v hoard '%01073741824d' 0");
    let is_named =
        ["cannot allocate", "Cannot allocate memory"].iter().any(|w| message.contains(w));
    assert!(is_named, "{message}");
}

#[test]
fn a_file_that_grows_too_large_ends_the_process() {
    let place = Place::new();
    let output = place.run("dd", &["if=/dev/urandom", "of=output", "bs=65536"]);
    // 25 is SIGXFSZ.
    assert_eq!(output.status.signal(), Some(25), "{output:?}");
    assert_eq!(std::fs::metadata(place.path("out/output")).unwrap().len(), 1 << 20);
}

#[test]
fn processor_time_is_limited() {
    let place = Place::new();
    let mut confinement = place.confinement("bash", &["-c", "while :; do :; done"]);
    confinement.cpu_s = 1;
    let output = place.run_confined(&confinement);
    // 24 is SIGXCPU.
    assert_eq!(output.status.signal(), Some(24), "{output:?}");
}

#[test]
fn only_the_capability_to_read_is_left_and_none_comes_back() {
    let place = Place::new();
    let confinement = place.confinement("cat", &["/proc/self/status"]);
    // The program may read what is below its standard input.
    let output = run(&confinement, File::open("/proc").unwrap(), &place.path("out"));
    let status = text(&output.stdout);
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {output:?}")).trim().to_owned()
    };
    // 4 is CAP_DAC_READ_SEARCH.
    for name in ["CapPrm:", "CapEff:"] {
        assert_eq!(u64::from_str_radix(&field(name), 16).unwrap() & !4, 0, "{name}");
    }
    assert_eq!(field("CapInh:"), "0000000000000000");
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
}

#[test]
fn a_child_whose_parent_is_dead_runs_nothing() {
    let place = Place::new();
    let mut confinement = place.confinement("true", &[]);
    confinement.parent = Some(1);
    let output = place.run_confined(&confinement);
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(
        text(&output.stderr),
        "headwater sandbox: the process that started this helper has ended\n"
    );
}

#[test]
fn without_a_program_the_helper_reports_the_features_of_the_kernel() {
    let place = Place::new();
    let mut confinement = place.confinement("true", &[]);
    confinement.program.clear();
    assert_eq!(text(&place.run_confined(&confinement).stdout), "landlock seccomp\n");
    confinement.policy = Policy::Off;
    assert_eq!(text(&place.run_confined(&confinement).stdout), "\n");
}

#[test]
fn without_a_policy_memory_is_limited_and_files_are_not() {
    let place = Place::new();
    let mut confinement = place.confinement("cat", &[place.path("secret").to_str().unwrap()]);
    confinement.policy = Policy::Off;
    assert_eq!(text(&place.run_confined(&confinement).stdout), "secret bytes");
    let mut confinement = place.confinement("bash", &["-c", "printf -v x '%01073741824d' 0"]);
    confinement.policy = Policy::Off;
    assert!(!place.run_confined(&confinement).status.success());
}
