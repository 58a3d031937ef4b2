//! A Redis that is silent without closing its connections.

use rustix::process::{Pid, Signal, kill_process};

use super::server::RedisServer;

impl RedisServer {
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}
