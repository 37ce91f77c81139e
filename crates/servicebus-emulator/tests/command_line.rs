//! The program, as one starts it.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use unstale_servicebus_emulator::sign;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_servicebus-emulator"))
}

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_says_how_to_connect_and_has_what_was_named() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--key", "k", "orders/audit", "orders/mail", "bare"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (addr, rest) = line.strip_prefix("Endpoint=sb://").unwrap().split_once(';').unwrap();
    assert_eq!(
        rest,
        "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=k;UseDevelopmentEmulator=true;\n"
    );
    let token = sign("http://emulator/", 9_999_999_999, "RootManageSharedAccessKey", "k");
    for (path, names) in [
        ("/$Resources/topics", &["bare", "orders"][..]),
        ("/orders/subscriptions", &["audit", "mail"]),
        ("/bare/subscriptions", &[]),
    ] {
        let mut stream = TcpStream::connect(addr).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let titles = answer.split("<entry").skip(1).map(|entry| {
            let (_, rest) = entry.split_once("<title type=\"text\">").unwrap();
            rest.split_once('<').unwrap().0
        });
        assert_eq!(titles.collect::<Vec<_>>(), names);
    }
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--listen"], "--listen"),
        (&["--tls-key", "x"], "--tls-certificate"),
        (&["a b"], "name"),
        (&["t/s", "t/S"], "already exists"),
    ] {
        let output = program().args(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(said(&output).1.contains(named), "{arguments:?}: {}", said(&output).1);
    }
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && said(&help).0.contains("--tls-certificate"));
}
