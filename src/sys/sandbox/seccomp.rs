//! Which calls of the kernel a confined process may not make, by seccomp.
//!
//! All are allowed but those below: an allow list would have to follow every release of ffmpeg, of
//! the C library and of a dozen encoders. What is left reaches the files that [`super::files`] allows,
//! the process's own memory, and threads.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// Refused whatever the arguments, with `EPERM`.
const REFUSED: &[i64] = &[
    // The network. Nothing that is open when the program starts is a socket.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes, and ways out of the group that is killed in the end.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Memory that no limit counts, and that outlives the process.
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // What Landlock does not look at: who owns a file, who may read it, its times.
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[i64] = &[];

/// Newer forms of calls whose arguments a filter cannot see. Refused as if the kernel were too old
/// for them (`ENOSYS`): libraries then use the older forms, which are looked at.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Calls of the x32 form of x86-64 are the same numbers with this bit, which no list would match.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Calls that were added after 2022 have the same numbers everywhere, and nothing needs them: changing
/// modes, attributes and mounts in newer forms is among them.
const NEW: std::ops::Range<i64> = 452..512;

/// `F_SETSIG` and `F_SETOWN_EX` of `fcntl`, which the crate does not name.
const SIGNALS: [i32; 2] = [10, 15];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses them from now on. `Err` says that the kernel has no seccomp, or what is wrong.
pub fn refuse() -> Result<(), seccompiler::Error> {
    let absent = UNKNOWN.iter().copied().chain(NEW).map(|call| (call, Vec::new()));
    let absent: Rules = absent.collect();
    for (rules, errno) in [(absent, libc::ENOSYS), (refused()?, libc::EPERM)] {
        apply_filter(&program(rules, errno)?)?;
    }
    Ok(())
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, BackendError> {
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(also_as_x32(rules), SeccompAction::Allow, action, architecture)?.try_into()
}

/// A process of the other architecture that the processor can run is killed by the filter itself.
#[cfg(target_arch = "x86_64")]
fn also_as_x32(mut rules: Rules) -> Rules {
    // x32 has calls of its own, too: among them its execve and its ptrace.
    let own = (512..=547).map(|call| (call | X32, Vec::new()));
    let same: Rules = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
    rules.extend(same.into_iter().chain(own));
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn also_as_x32(rules: Rules) -> Rules {
    rules
}

/// All that is answered with `EPERM`.
fn refused() -> Result<Rules, BackendError> {
    let always = REFUSED.iter().chain(REFUSED_OLD).map(|&call| (call, Vec::new()));
    let mut rules: Rules = always.collect();
    let own = u64::from(rustix::process::getpid().as_raw_pid().unsigned_abs());
    let bits = |flag: i32| u64::from(flag.unsigned_abs());
    // A new process, which is what a clone makes if it makes no thread.
    let thread = bits(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![all([masked(0, thread, 0)])?]);
    // Signals to others. The helper's number is that of the program it becomes.
    rules.insert(libc::SYS_kill, vec![all([is_not(0, own)])?]);
    rules.insert(libc::SYS_tgkill, vec![all([is_not(0, own)])?]);
    let owner = [libc::F_SETOWN, SIGNALS[0], SIGNALS[1]];
    rules.insert(libc::SYS_fcntl, any(1, owner.map(bits))?);
    // Limits of others.
    rules.insert(libc::SYS_prlimit64, vec![all([is_not(0, 0), is_not(0, own)])?]);
    // Living on when the server has died.
    rules.insert(libc::SYS_prctl, any(0, [bits(libc::PR_SET_PDEATHSIG)])?);
    // Memory that is shared and of no file: no limit counts it.
    let shared = bits(libc::MAP_SHARED) | bits(libc::MAP_ANONYMOUS);
    rules.insert(libc::SYS_mmap, vec![all([masked(3, shared, shared)])?]);
    // Emptying a file that is opened for reading: Landlock looks at that from Linux 6.2 on.
    let how = bits(libc::O_TRUNC) | bits(libc::O_ACCMODE);
    let emptied = bits(libc::O_TRUNC) | bits(libc::O_RDONLY);
    rules.insert(libc::SYS_openat, vec![all([masked(2, how, emptied)])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![all([masked(1, how, emptied)])?]);
    // Typing into a terminal.
    rules.insert(libc::SYS_ioctl, any(1, [libc::TIOCSTI, libc::TIOCLINUX].map(low))?);
    Ok(rules)
}

/// The lower half, which is all that the kernel looks at of these arguments.
#[allow(clippy::unnecessary_cast, reason = "its type differs between C libraries")]
fn low(request: libc::Ioctl) -> u64 {
    request as u64 & 0xFFFF_FFFF
}

type Condition = Result<SeccompCondition, BackendError>;

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    let operation = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn all<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}

fn any<const N: usize>(argument: u8, values: [u64; N]) -> Result<Vec<SeccompRule>, BackendError> {
    let one = |value| {
        let equal = SeccompCmpOp::Eq;
        all([SeccompCondition::new(argument, SeccompCmpArgLen::Dword, equal, value)])
    };
    values.into_iter().map(one).collect()
}
