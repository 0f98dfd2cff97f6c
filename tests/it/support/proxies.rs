//! Proxies in front of a server, with the configurations that the documents show.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{documents::document, folder::Folder, wait::until};

/// The address of the server in those configurations.
const ORIGIN: &str = "127.0.0.1:8080";

/// The host name in those configurations.
pub const HOST: &str = "video.example";

/// A running proxy; dropping it ends its process.
pub struct Proxy {
    /// The address that it listens on.
    pub address: SocketAddr,
    process: Child,
    _folder: Folder,
}

/// The only code block of `docs/operations.md` in a language that contains a word.
pub fn documented_block(language: &str, word: &str) -> String {
    document("docs/operations.md").block(language, word)
}

impl Proxy {
    /// Starts nginx with the documented `location` in front of a server. `None` if nginx is not installed.
    pub fn nginx(origin: SocketAddr) -> Option<Self> {
        let location = with_origin(&documented_block("nginx", "proxy_pass"), origin);
        Self::nginx_with(|address, _| format!("server {{ listen {address}; {location} }}"))
    }

    /// Starts nginx with `config/nginx-slice.conf` in front of some servers, in place of the two there. `None`
    /// if nginx is not installed.
    pub fn slices(origins: &[SocketAddr]) -> Option<Self> {
        let configuration = document("config/nginx-slice.conf").text;
        let is_origin = |line: &&str| line.trim_start().starts_with("server 127.0.0.1:");
        let documented: Vec<&str> = configuration.lines().filter(is_origin).collect();
        assert_eq!(documented.len(), 2, "{documented:?}");
        let (first, rest) = (format!("{}\n", documented[0]), format!("{}\n", documented[1]));
        let line = |origin: &SocketAddr| first.replace("127.0.0.1:8081", &origin.to_string());
        let lines: String = origins.iter().map(line).collect();
        Self::nginx_with(|address, home| {
            let changes = [
                (first.as_str(), lines.clone()),
                (&rest, String::new()),
                ("listen 80;", format!("listen {address};")),
                ("/var/cache/nginx/headwater", format!("{home}/cache")),
            ];
            changes.iter().fold(configuration.clone(), |text, (documented, actual)| {
                assert!(text.contains(documented), "{documented} in {text}");
                text.replace(documented, actual)
            })
        })
    }

    /// Starts nginx with this configuration of its `http` block, by its address and its folder.
    fn nginx_with(http: impl FnOnce(SocketAddr, &str) -> String) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(is_installed)?;
        let (folder, address) = (Folder::new(), free_address());
        let home = folder.path("").display().to_string();
        let http = http(address, &home);
        // One process, so that it ends with the tests and needs no other user.
        let configuration = format!(
            "daemon off; master_process off; pid {home}/pid; error_log {home}/errors;
            events {{}}
            http {{
                access_log off; client_body_temp_path {home}/1; proxy_temp_path {home}/2;
                fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
                {http}
            }}"
        );
        let path = folder.put("nginx.conf", configuration);
        let mut command = Command::new(program);
        command.arg("-e").arg(folder.path("errors")).arg("-p").arg(&home).arg("-c").arg(path);
        Some(Self::start(command, address, folder))
    }

    /// Starts Caddy with the documented site in front of a server. `None` if Caddy is not installed.
    pub fn caddy(origin: SocketAddr) -> Option<Self> {
        let program = ["/usr/bin/caddy", "/usr/local/bin/caddy"].into_iter().find(is_installed)?;
        let (folder, address) = (Folder::new(), free_address());
        let site = with_origin(&documented_block("caddyfile", "reverse_proxy"), origin);
        assert!(site.starts_with(HOST), "{site}");
        // Without certificates: no authority would issue one for this name.
        let configuration = format!(
            "{{\n    admin off\n    auto_https off\n    default_bind {}\n}}\nhttp://{HOST}:{} {}",
            address.ip(),
            address.port(),
            &site[HOST.len()..],
        );
        let path = folder.put("Caddyfile", configuration);
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, folder.path(""));
        }
        Some(Self::start(command, address, folder))
    }

    fn start(mut command: Command, address: SocketAddr, folder: Folder) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the proxy runs");
        until("the proxy listens", || {
            assert!(process.try_wait().expect("a child").is_none(), "{command:?} ended");
            TcpStream::connect(address).is_ok()
        });
        Self { address, process, _folder: folder }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_installed(program: &&str) -> bool {
    Path::new(program).exists()
}

fn with_origin(configuration: &str, origin: SocketAddr) -> String {
    assert!(configuration.contains(ORIGIN), "{configuration}");
    configuration.replace(ORIGIN, &origin.to_string())
}

/// An address with a free port, for a program that cannot choose one.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}
