//! redb: a copy-on-write B-tree. A put is a transaction; without a sync it lasts as long as the
//! process.

use crate::ffi::{IN_PROCESS, ORDERED};
use crate::{Config, Key, Peer, Scan};
use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};
use std::ffi::CStr;

const ITEMS: TableDefinition<&Key, &[u8]> = TableDefinition::new("items");

pub struct Redb {
    database: Database,
    is_synced: bool,
}

impl Redb {
    fn begin(&self, is_synced: bool) -> WriteTransaction {
        let mut transaction = self.database.begin_write().expect("begin");
        let durability = if is_synced {
            Durability::Immediate
        } else {
            Durability::None
        };
        transaction.set_durability(durability).expect("durability");
        transaction
    }
}

impl Peer for Redb {
    const NAME: &'static CStr = c"redb";
    const SETTINGS: &'static CStr = c"the Rust crate redb 4: the same cache, a transaction each \
        put, Durability::None if written (a kill goes back to the last synced one)";
    const TRAITS: u32 = ORDERED | IN_PROCESS;
    const HAS_BATCH: bool = true;

    fn open(config: &Config) -> Self {
        let database = Database::builder()
            .set_cache_size(config.cache_bytes as usize)
            .create(config.directory.join("items.redb"))
            .expect("create");
        let redb = Redb {
            database,
            is_synced: config.is_synced,
        };
        let transaction = redb.begin(true);
        transaction.open_table(ITEMS).expect("table");
        transaction.commit().expect("commit");
        redb
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.load(&mut std::iter::once((*key, value)));
    }

    fn load(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) {
        let transaction = self.begin(self.is_synced);
        {
            let mut items = transaction.open_table(ITEMS).expect("table");
            for (key, value) in pairs {
                items.insert(&key, value).expect("insert");
            }
        }
        transaction.commit().expect("commit");
    }

    fn get(&self, key: &Key, visit: &mut dyn FnMut(&[u8])) -> bool {
        let transaction = self.database.begin_read().expect("begin");
        let items = transaction.open_table(ITEMS).expect("table");
        let found = match items.get(key).expect("get") {
            Some(value) => {
                visit(value.value());
                true
            }
            None => false,
        };
        found
    }

    fn delete(&self, key: &Key) -> bool {
        let transaction = self.begin(self.is_synced);
        let is_found = {
            let mut items = transaction.open_table(ITEMS).expect("table");
            let removed = items.remove(key).expect("remove");
            removed.is_some()
        };
        transaction.commit().expect("commit");
        is_found
    }

    fn scan(&self, scan: &Scan, visit: &mut dyn FnMut(&[u8], &[u8])) {
        let transaction = self.database.begin_read().expect("begin");
        let items = transaction.open_table(ITEMS).expect("table");
        let mut from: Key = [0; 16];
        from[..scan.from.len()].copy_from_slice(scan.from);
        let mut walk = if scan.is_backwards {
            items.range::<&Key>(..=&from)
        } else {
            items.range::<&Key>(&from..)
        }
        .expect("range");
        for _ in 0..scan.records {
            let step = if scan.is_backwards {
                walk.next_back()
            } else {
                walk.next()
            };
            let Some(entry) = step else { break };
            let (key, value) = entry.expect("scan");
            if scan.is_prefix && !key.value().starts_with(scan.from) {
                break;
            }
            visit(
                key.value(),
                if scan.is_keys_only {
                    &[]
                } else {
                    value.value()
                },
            );
        }
    }

    fn sync(&self) {
        self.begin(true).commit().expect("commit");
    }

    fn close(self) {
        self.sync();
    }
}
