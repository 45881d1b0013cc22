//! The crate armdb: the version that this project began from, and the newest.
//!
//! Its puts stay in the process until a write buffer is full. It has no walk over keys alone.

use crate::ffi::{ANCESTOR, IN_PROCESS, NEVER_SYNCED, ORDERED};
use crate::{Config, Key, Peer, Scan};
use std::ffi::CStr;
use std::ops::Bound;

/// The functions that are called alike in both versions.
macro_rules! common {
    () => {
        fn get(&self, key: &Key, visit: &mut dyn FnMut(&[u8])) -> bool {
            match self.0.get(key) {
                Some(value) => {
                    visit(value.as_bytes());
                    true
                }
                None => false,
            }
        }

        fn put(&self, key: &Key, value: &[u8]) {
            self.0.put(key, value).expect("put");
        }

        fn delete(&self, key: &Key) -> bool {
            self.0.delete(key).expect("delete")
        }

        fn scan(&self, scan: &Scan, visit: &mut dyn FnMut(&[u8], &[u8])) {
            if scan.is_prefix {
                for (key, value) in self.0.prefix_iter(scan.from).take(scan.records) {
                    visit(&key, value.as_bytes());
                }
                return;
            }
            let from = scan.key();
            if scan.is_backwards {
                let walk = self
                    .0
                    .range_bounds(Bound::Unbounded, Bound::Included(&from));
                for (key, value) in walk.rev().take(scan.records) {
                    visit(&key, value.as_bytes());
                }
            } else {
                let walk = self
                    .0
                    .range_bounds(Bound::Included(&from), Bound::Unbounded);
                for (key, value) in walk.take(scan.records) {
                    visit(&key, value.as_bytes());
                }
            }
        }

        fn sync(&self) {
            self.0.flush_buffers().expect("flush");
        }

        fn close(self) {
            self.0.close().expect("close");
        }
    };
}

pub struct Crate020(armdb_020::VarTree<Key>);

impl Peer for Crate020 {
    const NAME: &'static CStr = c"crate-armdb-0.2";
    const SETTINGS: &'static CStr =
        c"the Rust crate armdb 0.2.0: VarTree, not reversed, hints on, \
        value cache, otherwise default; puts stay in the process";
    const TRAITS: u32 = ORDERED | IN_PROCESS | NEVER_SYNCED | ANCESTOR;

    fn open(config: &Config) -> Self {
        let mut options = armdb_020::Config {
            reversed: false,
            hints: true,
            ..Default::default()
        };
        options.cache.max_size = config.cache_bytes;
        Crate020(armdb_020::VarTree::open(&config.directory, options).expect("open"))
    }

    common!();
}

pub struct CrateNew(armdb_new::VarTree<Key>);

impl Peer for CrateNew {
    const NAME: &'static CStr = c"crate-armdb-0.15";
    const SETTINGS: &'static CStr =
        c"the Rust crate armdb 0.15.0: VarTree, balanced, not reversed, \
        block cache, otherwise default; puts stay in the process; durable: sync_batch_size 1";
    const TRAITS: u32 = ORDERED | IN_PROCESS | ANCESTOR;

    fn open(config: &Config) -> Self {
        let mut options = armdb_new::Config::balanced().build();
        options.reversed = false;
        options.block_cache.max_size = config.cache_bytes;
        options.sync_batch_size = u32::from(config.is_synced);
        CrateNew(armdb_new::VarTree::open(&config.directory, options).expect("open"))
    }

    common!();
}
