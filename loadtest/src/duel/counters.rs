//! What the kernel counts of a process, its threads and children.

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

/// CPU seconds of all threads of the process and its descendants, the kernel's share and io_uring's
/// workers included.
pub(super) fn cpu_seconds(pid: i32) -> f64 {
    let tasks = tree(pid).into_iter().flat_map(tasks);
    let ran = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.join("schedstat")).ok()?;
        run_ns(&text)
    });
    ran.sum::<u64>() as f64 / 1e9
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

fn run_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn pss_kb(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_files_are_read() {
        assert_eq!(run_ns("123456 78 9\n"), Some(123_456));
        assert_eq!(run_ns(""), None);
        let text = "00400000-7ff 000\nRss:    900 kB\nPss:     321 kB\nPss_Dirty: 5 kB\n";
        assert_eq!(pss_kb(text), Some(321));
    }

    #[test]
    fn this_process_has_threads_memory_and_time() {
        let own = std::process::id() as i32;
        assert!(tree(own).contains(&own));
        assert!(cpu_seconds(own) > 0.0 && pss_bytes(own) > 0);
        assert!(cpu_seconds(i32::MAX) == 0.0 && tree(i32::MAX) == [i32::MAX]);
    }
}
