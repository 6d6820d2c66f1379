//! The real program, run as a person or a script runs it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest that any run of the program may take in a test. What should be instant is told apart from
/// what is not by far smaller bounds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// Runs `millrace` with arguments to its end.
pub(crate) fn millrace(args: &[&str]) -> Ended {
    start(args, "").ended()
}

/// The same with a text on its stdin.
pub(crate) fn millrace_on(stdin: &str, args: &[&str]) -> Ended {
    start(args, stdin).ended()
}

/// Starts `millrace` with a text on its stdin.
pub(crate) fn start(args: &[&str], stdin: &str) -> Running {
    start_as(&mut program(args), stdin)
}

/// The program with arguments.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.args(args).env_remove("RUST_LOG").env_remove("KUBECONFIG");
    command
}

/// Runs the program for a reader who goes away at once.
pub(crate) fn unread(program: &mut Command) -> Ended {
    let mut child = program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let (tell, nothing) = channel();
    tell.send(String::new()).expect("its receiver is here");
    Running { stderr: gather(child.stderr.take().unwrap()), stdout: nothing, child }.ended()
}

/// Starts a program with a text on its stdin.
pub(crate) fn start_as(program: &mut Command, stdin: &str) -> Running {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    // The texts are shorter than what a pipe holds, and a program that does not read them is fine.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let stdout = gather(child.stdout.take().unwrap());
    let stderr = gather(child.stderr.take().unwrap());
    Running { child, stdout, stderr }
}

fn gather(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

impl Running {
    /// Whether it has made provision for Ctrl-C, as Linux shows the signals that a process catches.
    pub(crate) fn catches_interrupts(&self) -> bool {
        const INTERRUPT: u64 = 1 << 1;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & INTERRUPT != 0
    }

    /// What Ctrl-C in a terminal does.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let texts = [&self.stdout, &self.stderr].map(|pipe| pipe.recv_timeout(PATIENCE));
        let [Ok(stdout), Ok(stderr)] = texts else {
            let _ = self.child.kill();
            panic!("the program did not end in {PATIENCE:?}");
        };
        Ended { status: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing behind that goes on.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that holds a text; no other test has it.
pub(crate) fn file(name: &str, text: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}
