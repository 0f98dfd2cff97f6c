//! seccomp: the system calls that a confined process may not make.
//!
//! This is a deny list: an allow list would have to follow every release of ffmpeg, of the C library and
//! of a dozen encoders. The remaining calls reach the files that [`super::landlock`] allows, the
//! process's own memory, and threads.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// Denied with `EPERM`, whatever the arguments.
const DENIED: &[i64] = &[
    // The network. No descriptor that the program inherits is a socket.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes, and leaving the process group that is killed at the end.
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
    // Memory that no resource limit counts and that outlives the process.
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // File attributes, which Landlock does not check: owner, mode, times, extended attributes.
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

/// Denied calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
const DENIED_LEGACY: &[i64] = &[
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
const DENIED_LEGACY: &[i64] = &[];

/// Newer calls whose arguments are in memory, where a filter cannot see them. They fail with `ENOSYS`, as
/// on an older kernel: libraries then fall back to the older calls, whose arguments are checked.
const OPAQUE: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// The bit that the x32 ABI of x86-64 sets in call numbers, so that no list would match them.
#[cfg(target_arch = "x86_64")]
const X32_BIT: i64 = 0x4000_0000;

/// Calls added after 2022, which have the same numbers on all architectures. No program needs them, and
/// some change modes, attributes and mounts.
const RECENT: std::ops::Range<i64> = 452..512;

/// `F_SETSIG` and `F_SETOWN_EX` of `fcntl`, which `libc` does not define.
const FCNTL_SIGNAL_COMMANDS: [i32; 2] = [10, 15];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the filters for this process and the program that it becomes.
///
/// # Errors
/// If the kernel has no seccomp or rejects a filter.
pub fn install() -> Result<(), seccompiler::Error> {
    let missing: Rules =
        OPAQUE.iter().copied().chain(RECENT).map(|call| (call, Vec::new())).collect();
    for (rules, errno) in [(missing, libc::ENOSYS), (denied()?, libc::EPERM)] {
        apply_filter(&compile(rules, errno)?)?;
    }
    Ok(())
}

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, BackendError> {
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(with_x32(rules), SeccompAction::Allow, action, architecture)?.try_into()
}

/// The filter itself kills a process of the other architecture that the CPU can run.
#[cfg(target_arch = "x86_64")]
fn with_x32(mut rules: Rules) -> Rules {
    // x32 also has calls of its own, execve and ptrace among them.
    let own = (512..=547).map(|call| (call | X32_BIT, Vec::new()));
    let same: Rules = rules.iter().map(|(call, rules)| (call | X32_BIT, rules.clone())).collect();
    rules.extend(same.into_iter().chain(own));
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn with_x32(rules: Rules) -> Rules {
    rules
}

/// The rules that return `EPERM`.
fn denied() -> Result<Rules, BackendError> {
    let mut rules: Rules =
        DENIED.iter().chain(DENIED_LEGACY).map(|&call| (call, Vec::new())).collect();
    let own_pid = u64::from(rustix::process::getpid().as_raw_pid().unsigned_abs());
    let bits = |flag: i32| u64::from(flag.unsigned_abs());
    // A clone without CLONE_THREAD creates a process.
    let thread = bits(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![all([masked(0, thread, 0)])?]);
    // Signals to other processes. The helper's process id is that of the program that it becomes.
    rules.insert(libc::SYS_kill, vec![all([is_not(0, own_pid)])?]);
    rules.insert(libc::SYS_tgkill, vec![all([is_not(0, own_pid)])?]);
    let owner = [libc::F_SETOWN, FCNTL_SIGNAL_COMMANDS[0], FCNTL_SIGNAL_COMMANDS[1]];
    rules.insert(libc::SYS_fcntl, any(1, owner.map(bits))?);
    // Limits of other processes.
    rules.insert(libc::SYS_prlimit64, vec![all([is_not(0, 0), is_not(0, own_pid)])?]);
    // Outliving the server.
    rules.insert(libc::SYS_prctl, any(0, [bits(libc::PR_SET_PDEATHSIG)])?);
    // Shared anonymous memory, which no resource limit counts.
    let shared = bits(libc::MAP_SHARED) | bits(libc::MAP_ANONYMOUS);
    rules.insert(libc::SYS_mmap, vec![all([masked(3, shared, shared)])?]);
    // O_TRUNC on a file that is opened for reading: Landlock checks that from Linux 6.2 on.
    let mask = bits(libc::O_TRUNC) | bits(libc::O_ACCMODE);
    let truncating = bits(libc::O_TRUNC) | bits(libc::O_RDONLY);
    rules.insert(libc::SYS_openat, vec![all([masked(2, mask, truncating)])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![all([masked(1, mask, truncating)])?]);
    // Injecting input into a terminal.
    rules.insert(libc::SYS_ioctl, any(1, [libc::TIOCSTI, libc::TIOCLINUX].map(low_bits))?);
    Ok(rules)
}

/// The lower 32 bits: the kernel ignores the rest of this argument.
#[allow(clippy::unnecessary_cast, reason = "its type differs between C libraries")]
fn low_bits(request: libc::Ioctl) -> u64 {
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
    let rule = |value| {
        let equal = SeccompCmpOp::Eq;
        all([SeccompCondition::new(argument, SeccompCmpArgLen::Dword, equal, value)])
    };
    values.into_iter().map(rule).collect()
}
