//! The real program, run as a person or a script runs it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
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
    stdout: Pipe,
    stderr: Pipe,
}

/// What has come out of a program so far, and the word that nothing more comes.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
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
    Running { stderr: gather(child.stderr.take().unwrap()), stdout: gather(std::io::empty()), child }.ended()
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

fn gather(pipe: impl Read + Send + 'static) -> Pipe {
    let ((tell, end), bytes) = (channel(), Arc::<Mutex<Vec<u8>>>::default());
    let gathered = bytes.clone();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        while let Ok(come @ 1..) = pipe.fill_buf().map(|come| {
            gathered.lock().unwrap().extend_from_slice(come);
            come.len()
        }) {
            pipe.consume(come);
        }
        let _ = tell.send(());
    });
    Pipe { bytes, end }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

impl Running {
    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

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
        let ends = [&self.stdout, &self.stderr].map(|pipe| pipe.end.recv_timeout(PATIENCE));
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        if ends.iter().any(Result::is_err) {
            let _ = self.child.kill();
            panic!("the program did not end in {PATIENCE:?}: {stdout}{stderr}");
        }
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
