//! Read leases on files (fcntl(2), `F_SETLEASE`): the kernel reports a writer before the writer has the file
//! open, and lets it wait until the lease ends.
//!
//! A lease is given only while no program has the file open for writing, a shared writable mapping included,
//! and only to the file's owner or with `CAP_LEASE`. A writer waits up to `lease-break-time` (/proc/sys/fs,
//! 45 s), and fails with `EWOULDBLOCK` instead if it opens with `O_NONBLOCK`.
#![allow(unsafe_code)]

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
    time::Duration,
};

use rustix::io::Errno;

/// Receives the kernel's reports, on the thread that created it.
#[derive(Debug)]
pub struct LeaseReports {
    signals: libc::sigset_t,
    receiver: ReportReceiver,
}

/// The thread that receives reports.
#[derive(Clone, Copy, Debug)]
pub struct ReportReceiver(libc::pid_t);

impl LeaseReports {
    /// Makes the calling thread a receiver of reports. Blocks `SIGIO` in it, the signal that carries them;
    /// other threads never get it.
    pub fn receive_here() -> io::Result<Self> {
        let mut signals = MaybeUninit::uninit();
        // SAFETY: sigemptyset initializes the set, and the other calls read it. A null pointer asks for no
        // previous set.
        let (signals, error) = unsafe {
            libc::sigemptyset(signals.as_mut_ptr());
            libc::sigaddset(signals.as_mut_ptr(), libc::SIGIO);
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut());
            (signals.assume_init(), error)
        };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let receiver = ReportReceiver(rustix::thread::gettid().as_raw_pid());
        Ok(Self { signals, receiver })
    }

    /// The receiver, for [`take_lease`].
    pub fn receiver(&self) -> ReportReceiver {
        self.receiver
    }

    /// Waits for a report. Returns whether there was one within the time; it does not name the file.
    pub fn wait(&self, timeout: Duration) -> bool {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_millis().cast_signed()) * 1_000_000,
        };
        // SAFETY: both structures outlive the call, and a null pointer asks for no description.
        let signal =
            unsafe { libc::sigtimedwait(&self.signals, ptr::null_mut(), &raw const timeout) };
        signal == libc::SIGIO
    }
}

/// Takes a read lease on an open file. Stays in memory on local file systems.
///
/// # Errors
/// `EAGAIN`: a program has the file open for writing. `EACCES`: the file belongs to another user. `EINVAL`:
/// the file system has no leases.
pub fn take_lease(file: impl AsFd, receiver: ReportReceiver) -> rustix::io::Result<()> {
    /// Of linux/fcntl.h.
    const F_SETOWN_EX: libc::c_int = 15;
    const F_OWNER_TID: libc::c_int = 0;
    #[repr(C)]
    struct Owner {
        kind: libc::c_int,
        thread: libc::pid_t,
    }
    let owner = Owner { kind: F_OWNER_TID, thread: receiver.0 };
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open as long as it is borrowed; the structure has the kernel's layout and
    // outlives the call.
    let owned = unsafe { libc::fcntl(fd, F_SETOWN_EX, &raw const owner) };
    succeeded(owned)?;
    // SAFETY: as above, and this command takes a number.
    succeeded(unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) })?;
    Ok(())
}

/// Whether the lease is held, and no writer waits for its end.
pub fn is_lease_intact(file: impl AsFd) -> bool {
    // SAFETY: the descriptor is open as long as it is borrowed, and this command takes no argument.
    let lease = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETLEASE) };
    lease == libc::F_RDLCK
}

/// Ends a lease. A writer that waits may go on.
pub fn end_lease(file: impl AsFd) {
    // SAFETY: the descriptor is open as long as it is borrowed, and this command takes a number. The only
    // error is that there is no lease any more.
    unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
}

fn succeeded(result: libc::c_int) -> rustix::io::Result<()> {
    match result {
        -1 => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
        _ => Ok(()),
    }
}
