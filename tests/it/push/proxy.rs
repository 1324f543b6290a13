//! What stands between a client and its server, and changes or cuts what is said.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;

/// The name of the socket of a server at the usual port.
pub const SOCKET: &str = ".s.PGSQL.5432";

/// What is done to what clients say.
#[derive(Clone, Copy)]
pub enum Change {
    /// A text becomes another one, filled up with blanks.
    Replace(&'static str, &'static str),
    /// Once this was said, and the server has heard it, that client hears nothing any more. Once only.
    CutAfter(&'static str),
}

/// A socket beside that of a server.
pub struct Proxy {
    folder: TempDir,
}

impl Proxy {
    pub fn start(server: &str, change: Change) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let server = PathBuf::from(server).join(SOCKET);
        let is_done = Arc::new(AtomicBool::new(false));
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { break };
                let server = UnixStream::connect(&server).expect("the server");
                pass(client, server, change, Arc::clone(&is_done));
            }
        });
        Self { folder }
    }

    /// A URL of the server, by way of this.
    pub fn url(&self, server: &str, url: &str) -> String {
        let folder = |path: &str| path.replace('/', "%2F");
        let own = folder(&self.folder.path().display().to_string());
        url.replace(&folder(server), &own)
    }
}

fn pass(client: UnixStream, server: UnixStream, change: Change, is_done: Arc<AtomicBool>) {
    let is_cut = Arc::new(AtomicBool::new(false));
    let (mut from_client, mut to_server) =
        (client.try_clone().expect("it"), server.try_clone().expect("it"));
    let cut = Arc::clone(&is_cut);
    thread::spawn(move || {
        let mut part = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_client.read(&mut part) {
            let said = &mut part[..length];
            match change {
                Change::Replace(from, to) => replace(said, from, to),
                Change::CutAfter(text) if !is_done.load(Ordering::SeqCst) => {
                    if find(said, text).is_some() {
                        is_done.store(true, Ordering::SeqCst);
                        cut.store(true, Ordering::SeqCst);
                    }
                }
                Change::CutAfter(_) => {}
            }
            if to_server.write_all(said).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let (mut server, mut client, mut part) = (server, client, vec![0; 1 << 16]);
        while let Ok(length @ 1..) = server.read(&mut part) {
            // It has answered what was said last.
            if is_cut.load(Ordering::SeqCst) || client.write_all(&part[..length]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn find(said: &[u8], text: &str) -> Option<usize> {
    said.windows(text.len()).position(|part| part == text.as_bytes())
}

fn replace(said: &mut [u8], from: &str, to: &str) {
    while let Some(at) = find(said, from) {
        let place = &mut said[at..at + from.len()];
        place.fill(b' ');
        place[..to.len()].copy_from_slice(to.as_bytes());
    }
}
