//! The crate armdb: the version that this project began from, and the newest; with values of any
//! length (`VarTree`), of one length (`ConstTree`), and that are objects (`TypedTree`).
//!
//! Its puts stay in the process until a write buffer is full. It has no walk over keys alone. A
//! batch is one `atomic()` for each shard concerned: of a shard's part others see all or nothing,
//! but a kill may keep some of it.

use crate::ffi::{ANCESTOR, CONST_VALUES, IN_PROCESS, NEVER_SYNCED, OBJECTS, ORDERED, VARIANT};
use crate::{Config, Key, Peer, Scan};
use std::borrow::Borrow;
use std::ffi::CStr;
use std::ops::Bound;

/// An object of a `TypedTree`: the bytes of its value, so that making one costs an allocation and a
/// copy.
type Object = Box<[u8]>;

/// Encodes and decodes them.
pub struct Copying;

macro_rules! codec {
    ($armdb:ident) => {
        impl $armdb::Codec<Object> for Copying {
            fn encode_to(&self, value: &Object, buffer: &mut Vec<u8>) -> $armdb::DbResult<()> {
                buffer.clear();
                buffer.extend_from_slice(value);
                Ok(())
            }

            fn decode_from(&self, bytes: &[u8]) -> $armdb::DbResult<Object> {
                Ok(bytes.into())
            }

            fn size(&self, value: &Object) -> usize {
                value.len()
            }
        }
    };
}

codec!(armdb_020);
codec!(armdb_new);

/// Bytes of what the crate hands out as a value.
trait Raw {
    fn raw(&self) -> &[u8];
}

impl Raw for [u8] {
    fn raw(&self) -> &[u8] {
        self
    }
}

impl Raw for armdb_020::ByteView {
    fn raw(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Raw for armdb_new::ByteView {
    fn raw(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// What the crate says of a key that was deleted.
trait WasThere {
    fn was_there(&self) -> bool;
}

impl WasThere for bool {
    fn was_there(&self) -> bool {
        *self
    }
}

impl<T> WasThere for Option<T> {
    fn was_there(&self) -> bool {
        self.is_some()
    }
}

/// The length of const values is part of the type.
pub enum Lengths<Short, Usual> {
    Short(Short),
    Usual(Usual),
}

// What a put takes, of bytes.

fn slice(bytes: &[u8]) -> &[u8] {
    bytes
}

fn array<const V: usize>(bytes: &[u8]) -> &[u8; V] {
    bytes.try_into().expect("a value of the one length")
}

fn object(bytes: &[u8]) -> Object {
    bytes.into()
}

// What the callback of an update returns, of bytes.

fn new_array<const V: usize>(bytes: Vec<u8>) -> [u8; V] {
    *array(&bytes)
}

fn new_object(bytes: Vec<u8>) -> Object {
    bytes.into()
}

// Who has one tree, and who has one of two types.

macro_rules! only {
    ($trees:expr, $tree:ident => $body:expr) => {{
        let $tree = $trees;
        $body
    }};
}

macro_rules! either {
    ($trees:expr, $tree:ident => $body:expr) => {
        match $trees {
            Lengths::Short($tree) => $body,
            Lengths::Usual($tree) => $body,
        }
    };
}

/// The records of a batch in the order of their shards.
fn by_shard<'a>(
    pairs: &mut dyn Iterator<Item = (Key, &'a [u8])>,
    shard_for: impl Fn(&Key) -> usize,
) -> Vec<(usize, Key, &'a [u8])> {
    let mut records: Vec<_> = pairs
        .map(|(key, value)| (shard_for(&key), key, value))
        .collect();
    records.sort_by_key(|record| record.0);
    records
}

/// The functions that are called alike in both versions and by all trees: `$with` is `only` or
/// `either`, `$value` makes what a put takes, `$new` what an update returns.
macro_rules! functions {
    ($with:ident, $value:path, $new:path) => {
        const HAS_UPDATE: bool = true;
        const HAS_BATCH: bool = true;

        fn get(&self, key: &Key, visit: &mut dyn FnMut(&[u8])) -> bool {
            $with!(&self.0, tree => match tree.get(key) {
                Some(value) => {
                    visit(value.raw());
                    true
                }
                None => false,
            })
        }

        fn put(&self, key: &Key, value: &[u8]) {
            $with!(&self.0, tree => {
                tree.put(key, $value(value)).expect("put");
            })
        }

        fn batch(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) {
            $with!(&self.0, tree => {
                let records = by_shard(pairs, |key| tree.shard_for(key));
                for part in records.chunk_by(|a, b| a.0 == b.0) {
                    tree.atomic(&part[0].1, |shard| {
                        for (_, key, value) in part {
                            shard.put(key, $value(value))?;
                        }
                        Ok(())
                    })
                    .expect("atomic");
                }
            })
        }

        fn update(&self, key: &Key, modify: &mut dyn FnMut(&[u8]) -> Vec<u8>) {
            $with!(&self.0, tree => {
                let done = tree.update(key, |old| $new(modify(old.raw()))).expect("update");
                assert!(done.is_some(), "the key is not there");
            })
        }

        fn cas(&self, key: &Key, expected: &[u8], desired: &[u8]) -> bool {
            $with!(&self.0, tree => {
                tree.cas(key, $value(expected).borrow(), $value(desired)).is_ok()
            })
        }

        fn delete(&self, key: &Key) -> bool {
            $with!(&self.0, tree => tree.delete(key).expect("delete").was_there())
        }

        fn scan(&self, scan: &Scan, visit: &mut dyn FnMut(&[u8], &[u8])) {
            $with!(&self.0, tree => {
                if scan.is_prefix {
                    for (key, value) in tree.prefix_iter(scan.from).take(scan.records) {
                        visit(&key, value.raw());
                    }
                    return;
                }
                let from = scan.key();
                if scan.is_backwards {
                    let walk = tree.range_bounds(Bound::Unbounded, Bound::Included(&from));
                    for (key, value) in walk.rev().take(scan.records) {
                        visit(&key, value.raw());
                    }
                } else {
                    let walk = tree.range_bounds(Bound::Included(&from), Bound::Unbounded);
                    for (key, value) in walk.take(scan.records) {
                        visit(&key, value.raw());
                    }
                }
            })
        }

        fn sync(&self) {
            $with!(&self.0, tree => tree.flush_buffers().expect("flush"))
        }

        fn close(self) {
            $with!(self.0, tree => tree.close().expect("close"))
        }
    };
}

// ---------------------------------------------------------------------------------- version 0.2.0

fn config_020(config: &Config) -> armdb_020::Config {
    let mut options = armdb_020::Config {
        reversed: false,
        hints: true,
        ..Default::default()
    };
    options.cache.max_size = config.cache_bytes;
    options
}

pub struct Crate020(armdb_020::VarTree<Key>);

impl Peer for Crate020 {
    const NAME: &'static CStr = c"crate-armdb-0.2";
    const SETTINGS: &'static CStr =
        c"the Rust crate armdb 0.2.0: VarTree, not reversed, hints on, \
        value cache, otherwise default; puts stay in the process; batch: atomic() of each shard";
    const TRAITS: u32 = ORDERED | IN_PROCESS | NEVER_SYNCED | ANCESTOR;

    fn open(config: &Config) -> Self {
        let tree = armdb_020::VarTree::open(&config.directory, config_020(config));
        Crate020(tree.expect("open"))
    }

    functions!(only, slice, armdb_020::ByteView::from_vec);
}

type ConstTree020<const V: usize> = armdb_020::ConstTree<Key, V>;

pub struct Const020(Lengths<ConstTree020<8>, ConstTree020<100>>);

impl Peer for Const020 {
    const NAME: &'static CStr = c"crate-armdb-0.2-const";
    const SETTINGS: &'static CStr = c"as crate-armdb-0.2, ConstTree";
    const TRAITS: u32 = ORDERED | IN_PROCESS | NEVER_SYNCED | ANCESTOR | CONST_VALUES | VARIANT;

    fn open(config: &Config) -> Self {
        let (path, options) = (&config.directory, config_020(config));
        Const020(if config.value_bytes == 8 {
            Lengths::Short(ConstTree020::open(path, options).expect("open"))
        } else {
            Lengths::Usual(ConstTree020::open(path, options).expect("open"))
        })
    }

    functions!(either, array, new_array);
}

pub struct Object020(armdb_020::TypedTree<Key, Object, Copying>);

impl Peer for Object020 {
    const NAME: &'static CStr = c"crate-armdb-0.2-object";
    const SETTINGS: &'static CStr = c"as crate-armdb-0.2, TypedTree of boxed bytes";
    const TRAITS: u32 = ORDERED | IN_PROCESS | NEVER_SYNCED | ANCESTOR | OBJECTS | VARIANT;

    fn open(config: &Config) -> Self {
        let tree = armdb_020::TypedTree::open(&config.directory, config_020(config), Copying);
        Object020(tree.expect("open"))
    }

    functions!(only, object, new_object);
}

// ------------------------------------------------------------------------------------- the newest

fn config_new(config: &Config) -> armdb_new::Config {
    let mut options = armdb_new::Config::balanced().build();
    options.reversed = false;
    options.block_cache.max_size = config.cache_bytes;
    options.sync_batch_size = u32::from(config.is_synced);
    options
}

pub struct CrateNew(armdb_new::VarTree<Key>);

impl Peer for CrateNew {
    const NAME: &'static CStr = c"crate-armdb-0.15";
    const SETTINGS: &'static CStr =
        c"the Rust crate armdb 0.15.0: VarTree, balanced, not reversed, \
        block cache, otherwise default; puts stay in the process; durable: sync_batch_size 1; \
        batch: atomic() of each shard";
    const TRAITS: u32 = ORDERED | IN_PROCESS | ANCESTOR;

    fn open(config: &Config) -> Self {
        let tree = armdb_new::VarTree::open(&config.directory, config_new(config));
        CrateNew(tree.expect("open"))
    }

    functions!(only, slice, armdb_new::ByteView::from_vec);
}

type ConstTreeNew<const V: usize> = armdb_new::ConstTree<Key, V>;

pub struct ConstNew(Lengths<ConstTreeNew<8>, ConstTreeNew<100>>);

impl Peer for ConstNew {
    const NAME: &'static CStr = c"crate-armdb-0.15-const";
    const SETTINGS: &'static CStr = c"as crate-armdb-0.15, ConstTree";
    const TRAITS: u32 = ORDERED | IN_PROCESS | ANCESTOR | CONST_VALUES | VARIANT;

    fn open(config: &Config) -> Self {
        let (path, options) = (&config.directory, config_new(config));
        ConstNew(if config.value_bytes == 8 {
            Lengths::Short(ConstTreeNew::open(path, options).expect("open"))
        } else {
            Lengths::Usual(ConstTreeNew::open(path, options).expect("open"))
        })
    }

    functions!(either, array, new_array);
}

pub struct ObjectNew(armdb_new::TypedTree<Key, Object, Copying>);

impl Peer for ObjectNew {
    const NAME: &'static CStr = c"crate-armdb-0.15-object";
    const SETTINGS: &'static CStr = c"as crate-armdb-0.15, TypedTree of boxed bytes";
    const TRAITS: u32 = ORDERED | IN_PROCESS | ANCESTOR | OBJECTS | VARIANT;

    fn open(config: &Config) -> Self {
        let tree = armdb_new::TypedTree::open(&config.directory, config_new(config), Copying);
        ObjectNew(tree.expect("open"))
    }

    functions!(only, object, new_object);
}
