//! The structs of bench/bench.h, and the C functions of any `Peer`.

use crate::{Config, Key, Peer, Scan};
use std::ffi::{c_char, c_void, CStr};

pub const ORDERED: u32 = 1;
pub const IN_PROCESS: u32 = 2;
pub const CONST_VALUES: u32 = 8;
pub const NEVER_SYNCED: u32 = 32;
pub const ANCESTOR: u32 = 64;
pub const VARIANT: u32 = 128;
pub const OBJECTS: u32 = 256;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    data: *const u8,
    len: usize,
}

#[repr(C)]
pub struct Pair {
    key: Bytes,
    value: Bytes,
}

#[repr(C)]
pub struct RawConfig {
    directory: *const c_char,
    durability: u32,
    keys: u64,
    cache_bytes: u64,
    value_bytes: u32,
}

#[repr(C)]
pub struct RawScan {
    from: Bytes,
    records: u32,
    is_keys_only: bool,
    is_backwards: bool,
    is_prefix: bool,
}

type Handle = *mut c_void;
type Visit = extern "C" fn(Handle, Bytes, Bytes);
type Modify = extern "C" fn(Handle, Bytes, Bytes) -> Bytes;

#[repr(C)]
pub struct Engine {
    name: *const c_char,
    settings: *const c_char,
    traits: u32,
    reserved: u32,
    open: extern "C" fn(*const RawConfig) -> Handle,
    close: extern "C" fn(Handle),
    thread_open: extern "C" fn(Handle) -> Handle,
    thread_close: extern "C" fn(Handle),
    put: extern "C" fn(Handle, Bytes, Bytes),
    load: Option<extern "C" fn(Handle, *const Pair, usize)>,
    get: extern "C" fn(Handle, Bytes, Visit, Handle) -> bool,
    multi_get: Option<extern "C" fn()>,
    del: extern "C" fn(Handle, Bytes) -> bool,
    rmw: Option<extern "C" fn(Handle, Bytes, Modify, Handle)>,
    cas: Option<extern "C" fn(Handle, Bytes, Bytes, Bytes) -> bool>,
    add: Option<extern "C" fn()>,
    batch: Option<extern "C" fn(Handle, *const Pair, usize)>,
    scan: Option<extern "C" fn(Handle, *const RawScan, Visit, Handle)>,
    put_ticket: Option<extern "C" fn()>,
    sync: extern "C" fn(Handle),
    stats: Option<extern "C" fn()>,
}

// SAFETY: it holds constants only.
unsafe impl Sync for Engine {}

pub struct List(pub [*const Engine; 9]);

// SAFETY: as above.
unsafe impl Sync for List {}

fn slice<'a>(bytes: Bytes) -> &'a [u8] {
    // SAFETY: bench.h: borrowed for the call, and never NULL for keys and values of a put.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }
}

fn key_of(bytes: Bytes) -> Key {
    slice(bytes).try_into().expect("a key of 16 bytes")
}

fn bytes(slice: &[u8]) -> Bytes {
    Bytes {
        data: slice.as_ptr(),
        len: slice.len(),
    }
}

fn peer<'a, P: Peer>(handle: Handle) -> &'a P {
    // SAFETY: every handle comes from open() below, and is gone after close().
    unsafe { &*(handle as *const P) }
}

extern "C" fn open<P: Peer>(config: *const RawConfig) -> Handle {
    // SAFETY: valid for the call.
    let config = unsafe { &*config };
    // SAFETY: a C string.
    let directory = unsafe { CStr::from_ptr(config.directory) };
    let peer = P::open(&Config {
        directory: directory.to_str().expect("a path in UTF-8").into(),
        is_synced: config.durability == 1,
        cache_bytes: config.cache_bytes,
        value_bytes: config.value_bytes,
    });
    Box::into_raw(Box::new(peer)) as Handle
}

extern "C" fn close<P: Peer>(db: Handle) {
    // SAFETY: from open(), and not used again.
    let peer = unsafe { Box::from_raw(db as *mut P) };
    peer.close();
}

extern "C" fn thread_open(db: Handle) -> Handle {
    db
}

extern "C" fn thread_close(_thread: Handle) {}

extern "C" fn put<P: Peer>(thread: Handle, key: Bytes, value: Bytes) {
    peer::<P>(thread).put(&key_of(key), slice(value));
}

extern "C" fn load<P: Peer>(thread: Handle, pairs: *const Pair, n_pairs: usize) {
    // SAFETY: bench.h: so many pairs, borrowed for the call.
    let pairs = unsafe { std::slice::from_raw_parts(pairs, n_pairs) };
    peer::<P>(thread).load(&mut pairs.iter().map(|p| (key_of(p.key), slice(p.value))));
}

extern "C" fn batch<P: Peer>(thread: Handle, pairs: *const Pair, n_pairs: usize) {
    // SAFETY: as above.
    let pairs = unsafe { std::slice::from_raw_parts(pairs, n_pairs) };
    peer::<P>(thread).batch(&mut pairs.iter().map(|p| (key_of(p.key), slice(p.value))));
}

extern "C" fn rmw<P: Peer>(thread: Handle, key: Bytes, modify: Modify, context: Handle) {
    peer::<P>(thread).update(&key_of(key), &mut |old| {
        // SAFETY: bench.h: valid until the next call, and the caller copies it before.
        let new: &[u8] = slice(modify(context, key, bytes(old)));
        new.to_vec()
    });
}

extern "C" fn cas<P: Peer>(thread: Handle, key: Bytes, expected: Bytes, desired: Bytes) -> bool {
    peer::<P>(thread).cas(&key_of(key), slice(expected), slice(desired))
}

extern "C" fn get<P: Peer>(thread: Handle, key: Bytes, visit: Visit, context: Handle) -> bool {
    peer::<P>(thread).get(&key_of(key), &mut |value| visit(context, key, bytes(value)))
}

extern "C" fn del<P: Peer>(thread: Handle, key: Bytes) -> bool {
    peer::<P>(thread).delete(&key_of(key))
}

extern "C" fn scan<P: Peer>(thread: Handle, scan: *const RawScan, visit: Visit, context: Handle) {
    // SAFETY: valid for the call.
    let raw = unsafe { &*scan };
    let scan = Scan {
        from: slice(raw.from),
        records: raw.records as usize,
        is_keys_only: raw.is_keys_only,
        is_backwards: raw.is_backwards,
        is_prefix: raw.is_prefix,
    };
    peer::<P>(thread).scan(&scan, &mut |key, value| {
        visit(context, bytes(key), bytes(value))
    });
}

extern "C" fn sync<P: Peer>(db: Handle) {
    peer::<P>(db).sync();
}

/// The C struct of a peer.
pub const fn engine<P: Peer>() -> Engine {
    Engine {
        name: P::NAME.as_ptr(),
        settings: P::SETTINGS.as_ptr(),
        traits: P::TRAITS,
        reserved: 0,
        open: open::<P>,
        close: close::<P>,
        thread_open,
        thread_close,
        put: put::<P>,
        load: Some(load::<P>),
        get: get::<P>,
        multi_get: None,
        del: del::<P>,
        rmw: if P::HAS_UPDATE { Some(rmw::<P>) } else { None },
        cas: if P::HAS_UPDATE { Some(cas::<P>) } else { None },
        add: None,
        batch: if P::HAS_BATCH { Some(batch::<P>) } else { None },
        scan: Some(scan::<P>),
        put_ticket: None,
        sync: sync::<P>,
        stats: None,
    }
}
