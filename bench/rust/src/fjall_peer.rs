//! fjall: a log-structured merge tree. Its journal is handed to the system at each put.

use crate::ffi::ORDERED;
use crate::{Config, Key, Peer, Scan};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::ffi::CStr;

pub struct Fjall {
    database: Database,
    items: Keyspace,
    is_synced: bool,
}

impl Fjall {
    fn sync_if_asked(&self) {
        if self.is_synced {
            self.database
                .persist(PersistMode::SyncData)
                .expect("persist");
        }
    }

    fn visit(guard: fjall::Guard, is_keys_only: bool, visit: &mut dyn FnMut(&[u8], &[u8])) {
        if is_keys_only {
            visit(&guard.key().expect("scan"), &[]);
        } else {
            let (key, value) = guard.into_inner().expect("scan");
            visit(&key, &value);
        }
    }
}

impl Peer for Fjall {
    const NAME: &'static CStr = c"fjall";
    const SETTINGS: &'static CStr = c"the Rust crate fjall 3: no compression, the same cache, \
        64 MiB memtable, otherwise default; durable: persist(SyncData) after each put";
    const TRAITS: u32 = ORDERED;
    const HAS_BATCH: bool = true;

    fn open(config: &Config) -> Self {
        let database = Database::builder(&config.directory)
            .cache_size(config.cache_bytes)
            .open()
            .expect("open");
        let options = || KeyspaceCreateOptions::default().max_memtable_size(64 << 20);
        let items = database.keyspace("items", options).expect("keyspace");
        Fjall {
            database,
            items,
            is_synced: config.is_synced,
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.items.insert(key, value).expect("insert");
        self.sync_if_asked();
    }

    fn load(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) {
        let mut batch = self.database.batch();
        for (key, value) in pairs {
            batch.insert(&self.items, key, value);
        }
        batch.commit().expect("commit");
        self.sync_if_asked();
    }

    fn get(&self, key: &Key, visit: &mut dyn FnMut(&[u8])) -> bool {
        match self.items.get(key).expect("get") {
            Some(value) => {
                visit(&value);
                true
            }
            None => false,
        }
    }

    fn delete(&self, key: &Key) -> bool {
        self.items.remove(key).expect("remove");
        self.sync_if_asked();
        true
    }

    fn scan(&self, scan: &Scan, visit: &mut dyn FnMut(&[u8], &[u8])) {
        if scan.is_prefix {
            for guard in self.items.prefix(scan.from).take(scan.records) {
                Fjall::visit(guard, scan.is_keys_only, visit);
            }
        } else if scan.is_backwards {
            for guard in self.items.range(..=scan.key()).rev().take(scan.records) {
                Fjall::visit(guard, scan.is_keys_only, visit);
            }
        } else {
            for guard in self.items.range(scan.key()..).take(scan.records) {
                Fjall::visit(guard, scan.is_keys_only, visit);
            }
        }
    }

    fn sync(&self) {
        self.database
            .persist(PersistMode::SyncAll)
            .expect("persist");
    }

    fn close(self) {
        self.sync();
    }
}
