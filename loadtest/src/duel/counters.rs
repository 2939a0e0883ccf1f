//! What the kernel counts of a process, its threads and children.

use nix::{
    time::{ClockId, clock_getcpuclockid},
    unistd::{Pid, SysconfVar, sysconf},
};
use std::{fs, path::Path};

/// The process and all its descendants.
pub(super) fn tree(pid: i32) -> Vec<i32> {
    let (mut found, mut queue) = (Vec::new(), vec![pid]);
    while let Some(pid) = queue.pop() {
        found.push(pid);
        for task in tasks(pid) {
            let text = fs::read_to_string(task.join("children")).unwrap_or_default();
            queue.extend(
                text.split_whitespace()
                    .filter_map(|word| word.parse::<i32>().ok()),
            );
        }
    }
    found
}

/// CPU seconds of the process and its descendants, the kernel's share included.
///
/// Each process's CPU clock, exact to the ns, has all its threads (io_uring's workers are some), the
/// ended ones too. Children that ended and were waited for are in `cutime` and `cstime` of their
/// parent, in ticks of mostly 10 ms; a parent that ignores SIGCHLD loses theirs.
pub(super) fn cpu_seconds(pid: i32) -> f64 {
    let all = tree(pid).into_iter();
    all.map(|pid| own_seconds(pid) + ended_seconds(pid)).sum()
}

/// None once it is gone.
fn own_seconds(pid: i32) -> f64 {
    let clock = clock_getcpuclockid(Pid::from_raw(pid));
    let now = clock.and_then(ClockId::now);
    now.map_or(0.0, |now| now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9)
}

fn ended_seconds(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    match (ended_ticks(&stat), a_second) {
        (Some(ticks), Some(a_second)) if a_second > 0 => ticks as f64 / a_second as f64,
        _ => 0.0,
    }
}

/// Proportional memory (PSS) of the process and its descendants, in bytes.
pub(super) fn pss_bytes(pid: i32) -> u64 {
    let all = tree(pid).into_iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        pss_kb(&text)
    });
    all.sum::<u64>() * 1024
}

/// The load average of the last minute.
pub(super) fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Directories of a process's threads; none once it is gone.
fn tasks(pid: i32) -> Vec<std::path::PathBuf> {
    let listed = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"));
    let entries = listed.into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// `cutime` and `cstime`, fields 16 and 17; the name in brackets may have spaces and brackets itself.
fn ended_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(13);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

fn pss_kb(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::time::TimeValLike;

    #[test]
    fn the_kernel_s_files_are_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4 10 11 12 13 14 15 160 7 20 0 1 0 99\n";
        assert_eq!(ended_ticks(stat), Some(167));
        assert_eq!(ended_ticks("7 (a) S 1"), None);
        assert_eq!(ended_ticks(""), None);
        let text = "00400000-7ff 000\nRss:    900 kB\nPss:     321 kB\nPss_Dirty: 5 kB\n";
        assert_eq!(pss_kb(text), Some(321));
    }

    #[test]
    fn this_process_has_threads_memory_and_time() {
        let own = std::process::id() as i32;
        assert!(tree(own).contains(&own));
        assert!(cpu_seconds(own) > 0.0 && pss_bytes(own) > 0);
        // No process has a greater number than 2^22.
        let nobody = (1 << 22) + 1;
        assert!(cpu_seconds(nobody) == 0.0 && tree(nobody) == [nobody]);
    }

    #[test]
    fn threads_that_ended_still_count() {
        let own = std::process::id() as i32;
        let before = cpu_seconds(own);
        let spin = || {
            let begin = ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap();
            let ran = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap() - begin;
            while ran().num_milliseconds() < 5 {}
        };
        std::thread::spawn(spin).join().unwrap();
        assert!(cpu_seconds(own) - before >= 0.005);
    }
}
