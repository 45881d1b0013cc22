//! Adapters of Rust engines for the benchmark: they implement `Peer`, and `engine()` makes the C
//! struct of one (bench/bench.h). Whatever fails panics, which ends the worker process.

mod armdb_crate;
mod ffi;
mod fjall_peer;
mod redb_peer;

use ffi::{engine, Engine};

/// What every key is.
pub type Key = [u8; 16];

/// What an engine is opened with; the same for all engines.
pub struct Config {
    pub directory: std::path::PathBuf,
    pub is_synced: bool,
    pub cache_bytes: u64,
    pub value_bytes: u32,
}

/// One walk over neighbouring keys.
pub struct Scan<'a> {
    /// The key to begin with; or, if `is_prefix`, what all keys begin with.
    pub from: &'a [u8],
    pub records: usize,
    pub is_keys_only: bool,
    pub is_backwards: bool,
    pub is_prefix: bool,
}

impl Scan<'_> {
    /// The key to begin with; must not be called for a prefix.
    pub fn key(&self) -> Key {
        self.from.try_into().expect("a key of 16 bytes")
    }
}

/// One engine. All functions but `open` may be called by several threads.
pub trait Peer: Sync + Sized {
    const NAME: &'static std::ffi::CStr;
    const SETTINGS: &'static std::ffi::CStr;
    const TRAITS: u32;
    /// It has `update()` and `cas()`; else the benchmark makes them of get and put, under a lock.
    const HAS_UPDATE: bool = false;
    const HAS_BATCH: bool = false;

    fn open(config: &Config) -> Self;
    fn put(&self, key: &Key, value: &[u8]);
    /// Stores many records at once, if the engine has a way.
    fn load(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) {
        for (key, value) in pairs {
            self.put(&key, value);
        }
    }
    /// Stores many records: all or none.
    fn batch(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) {
        self.load(pairs);
    }
    /// Replaces the value of a key that is there, atomically.
    fn update(&self, _key: &Key, _modify: &mut dyn FnMut(&[u8]) -> Vec<u8>) {
        unreachable!("HAS_UPDATE")
    }
    /// Replaces `expected`; false: the key has another value.
    fn cas(&self, _key: &Key, _expected: &[u8], _desired: &[u8]) -> bool {
        unreachable!("HAS_UPDATE")
    }
    fn get(&self, key: &Key, visit: &mut dyn FnMut(&[u8])) -> bool;
    fn delete(&self, key: &Key) -> bool;
    fn scan(&self, scan: &Scan, visit: &mut dyn FnMut(&[u8], &[u8]));
    /// Makes everything durable.
    fn sync(&self);
    fn close(self);
}

/// The engines of this library, ended by NULL; `bench --plugin` calls this.
#[no_mangle]
pub extern "C" fn bench_plugin_engines() -> *const *const Engine {
    static CRATE_020: Engine = engine::<armdb_crate::Crate020>();
    static CRATE_NEW: Engine = engine::<armdb_crate::CrateNew>();
    static CONST_020: Engine = engine::<armdb_crate::Const020>();
    static CONST_NEW: Engine = engine::<armdb_crate::ConstNew>();
    static OBJECT_020: Engine = engine::<armdb_crate::Object020>();
    static OBJECT_NEW: Engine = engine::<armdb_crate::ObjectNew>();
    static FJALL: Engine = engine::<fjall_peer::Fjall>();
    static REDB: Engine = engine::<redb_peer::Redb>();
    static ENGINES: ffi::List = ffi::List([
        &CRATE_020,
        &CRATE_NEW,
        &CONST_020,
        &CONST_NEW,
        &OBJECT_020,
        &OBJECT_NEW,
        &FJALL,
        &REDB,
        std::ptr::null(),
    ]);
    ENGINES.0.as_ptr()
}
