//! What Entra ID says, in the order that a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

#[derive(Default)]
struct State {
    answers: VecDeque<(u16, String)>,
    requests: Vec<Request>,
}

/// Answers one request on each connection.
pub(crate) struct TokenServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl TokenServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &shared).await;
            }
        });
        Self { port, state }
    }

    pub(crate) fn authority(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next answer.
    pub(crate) fn answers(&self, status: u16, body: &str) {
        self.state.lock().unwrap().answers.push_back((status, body.to_owned()));
    }

    /// The next answer is this token.
    pub(crate) fn issues(&self, token: &str, expires_in: u64) {
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"{token}"}}"#
        );
        self.answers(200, &body);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn answer(stream: TcpStream, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut length, mut content_type) = (String::new(), 0, String::new());
    stream.read_line(&mut line).await.unwrap();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => content_type = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    let (status, answer) = {
        let mut state = state.lock().unwrap();
        state.requests.push(Request { line: line.trim().to_owned(), content_type, body });
        state.answers.pop_front().unwrap_or_default()
    };
    let length = answer.len();
    let answer = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}
