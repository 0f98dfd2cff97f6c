//! `headwater health`: asks the running server whether it is ready, for containers, which have no other client.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Arg;

use super::{
    ConfigArgs,
    print::{print, print_error},
};
use crate::config::{KEYS, Settings, local_address};

/// Time for the connection, and then for each read.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Length of the response that is read at most, in bytes.
const RESPONSE_BYTES_MAX: u64 = 64 << 10;

/// `Connection: close` makes the end of the response that of the connection.
const REQUEST: &[u8] =
    b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: headwater-health\r\n\r\n";

#[derive(clap::Args, Clone, Debug)]
#[command(mut_args(only_listen))]
pub(super) struct HealthArgs {
    /// The server's configuration.
    #[command(flatten)]
    config: ConfigArgs,
}

/// Hides the settings that this command does not use.
fn only_listen(arg: Arg) -> Arg {
    let name = arg.get_id().as_str();
    let is_unused = name != "listen" && KEYS.iter().any(|key| key.name == name);
    arg.hide(is_unused)
}

pub(super) fn run(args: &HealthArgs) -> ExitCode {
    let settings = args.config.settings(&[]).map_err(|error| error.to_string());
    match settings.and_then(|settings| ask(&settings)) {
        Ok(state) => match print(&state) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            print_error(error);
            ExitCode::FAILURE
        }
    }
}

/// Asks the server for `/readyz`. Returns the text of a ready one.
fn ask(settings: &Settings) -> Result<String, String> {
    let address = local_address(*settings.listen);
    let response = request(address)
        .map_err(|error| format!("no response from {address}: {error}; is the server running?"))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).unwrap_or("no HTTP");
    if status == "200" { Ok(body.to_owned()) } else { Err(format!("not ready: {status} {body}")) }
}

fn request(address: SocketAddr) -> io::Result<String> {
    let mut server = TcpStream::connect_timeout(&address, TIMEOUT)?;
    server.set_read_timeout(Some(TIMEOUT))?;
    server.set_write_timeout(Some(TIMEOUT))?;
    server.write_all(REQUEST)?;
    let mut response = Vec::new();
    server.take(RESPONSE_BYTES_MAX).read_to_end(&mut response)?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}
