//! The hosts of a database, of which one is the primary at a time. Each is asked apart and for a part of the time only: one
//! that takes a connection and says nothing, such as a primary whose disk hangs, keeps nobody from the one that took its
//! place. The host that worked last is asked first.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Client, Config, Connection, Error, Socket};

use crate::tls::{Encrypted, Tls};

/// A connection, and what drives it.
pub(crate) type Connected = (Client, Connection<Socket, Encrypted>);

/// How each host is reached.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    each: Vec<Config>,
    /// The one that is asked first.
    first: Arc<AtomicUsize>,
}

impl Hosts {
    /// The hosts of this address.
    pub(crate) fn of(config: &Config) -> Self {
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let each = match count {
            // Whatever is wrong with it is said by the one who connects.
            0 | 1 => vec![config.clone()],
            _ => (0..count).map(|number| only(config, number)).collect(),
        };
        let first = match config.get_load_balance_hosts() {
            LoadBalanceHosts::Random => {
                let chance = RandomState::new().hash_one(0) % each.len() as u64;
                usize::try_from(chance).unwrap_or(0)
            }
            _ => 0,
        };
        Self {
            each,
            first: Arc::new(AtomicUsize::new(first)),
        }
    }

    /// Connects to the first host that is what is wanted. `within` is the time that the caller waits.
    pub(crate) async fn connect(&self, tls: &Tls, within: Duration) -> Result<Connected, Error> {
        let count = self.each.len();
        let first = self.first.load(Ordering::Relaxed);
        let share = within / u32::try_from(count + 1).unwrap_or(u32::MAX);
        for place in 0..count - 1 {
            let number = (first + place) % count;
            let connecting = self.each[number].connect(tls.clone());
            match tokio::time::timeout(share, connecting).await {
                Ok(Ok(connected)) => return Ok(self.remember(number, connected)),
                Ok(Err(error)) => tracing::debug!(host = number, %error, "a host of the database is passed over"),
                Err(_) => tracing::warn!(host = number, "a host of the database is silent, and passed over"),
            }
            // Whoever comes next, and whoever has no time left for all, begins behind it.
            self.first.store((number + 1) % count, Ordering::Relaxed);
        }
        let last = (first + count - 1) % count;
        let connected = self.each[last].connect(tls.clone()).await?;
        Ok(self.remember(last, connected))
    }

    fn remember(&self, number: usize, connected: Connected) -> Connected {
        self.first.store(number, Ordering::Relaxed);
        connected
    }
}

/// The same with one of its hosts.
fn only(config: &Config, number: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(number) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    config.get_hostaddrs().get(number).map(|address| one.hostaddr(*address));
    let ports = config.get_ports();
    ports.get(number).or(ports.first()).map(|port| one.port(*port));
    config.get_user().map(|user| one.user(user));
    config.get_password().map(|password| one.password(password));
    config.get_dbname().map(|name| one.dbname(name));
    config.get_options().map(|options| one.options(options));
    config.get_application_name().map(|name| one.application_name(name));
    config
        .get_connect_timeout()
        .map(|timeout| one.connect_timeout(*timeout));
    config
        .get_tcp_user_timeout()
        .map(|timeout| one.tcp_user_timeout(*timeout));
    config
        .get_keepalives_interval()
        .map(|interval| one.keepalives_interval(interval));
    config
        .get_keepalives_retries()
        .map(|retries| one.keepalives_retries(retries));
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option of the driver that is not taken over would be lost for whoever names several hosts.
    #[test]
    fn each_host_is_reached_as_the_address_says() {
        let all = "user=u password='p w' dbname=d options='-c a=b' application_name=n sslmode=require sslnegotiation=direct \
                   connect_timeout=3 tcp_user_timeout=4 keepalives=1 keepalives_idle=5 keepalives_interval=6 \
                   keepalives_retries=7 target_session_attrs=read-write channel_binding=require";
        let several: Config = format!("host=one,two port=1,2 hostaddr=127.0.0.1,127.0.0.2 {all}")
            .parse()
            .unwrap();
        let hosts = Hosts::of(&several);
        let singly = [
            "host=one port=1 hostaddr=127.0.0.1",
            "host=two port=2 hostaddr=127.0.0.2",
        ];
        assert_eq!(hosts.each, singly.map(|host| format!("{host} {all}").parse().unwrap()));
        let one_port: Config = "host=one,two port=9 user=u".parse().unwrap();
        let each = ["host=one port=9 user=u", "host=two port=9 user=u"];
        assert_eq!(Hosts::of(&one_port).each, each.map(|host| host.parse().unwrap()));
    }
}
