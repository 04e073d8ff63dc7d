//! Compact addresses, as trackers, nodes and peers send them.

#![no_main]

use femtotorrent::address::{
    IpFamily, canonical, canonical_without_scope, could_be_a_peer, is_local, network, read_compact,
    read_compact_list, read_ip, write_compact, write_ip,
};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    for family in IpFamily::BOTH {
        let mut written = Vec::new();
        for address in read_compact_list(bytes, family) {
            // An IPv4-mapped address is the IPv4 one.
            assert!(family.has(address) || address.is_ipv4());
            assert_eq!(canonical(address), address);
            assert_eq!(canonical_without_scope(address), address);
            assert_eq!(network(network(address.ip())), network(address.ip()));
            // An address of a peer has a port and is that of one host.
            assert!(!could_be_a_peer(address) || (address.port() != 0 && !address.ip().is_multicast()));
            let _ = is_local(address.ip());
            let mapped = |ip: std::net::Ipv4Addr| ip.to_ipv6_mapped().octets();
            match (address.ip(), family) {
                (IpAddr::V4(ip), IpFamily::V6) => {
                    written.extend(mapped(ip));
                    written.extend(address.port().to_be_bytes());
                }
                _ => write_compact(&mut written, address),
            }
        }
        assert!(bytes.starts_with(&written) && bytes.len() - written.len() < family.compact_length());
    }
    assert_eq!(read_compact(bytes).is_some(), matches!(bytes.len(), 6 | 18));
    if let Some(ip) = read_ip(bytes) {
        let mut again = Vec::new();
        write_ip(&mut again, ip);
        let is_mapped = bytes.len() == 16 && ip.is_ipv4();
        assert_eq!(again, if is_mapped { &bytes[12..] } else { bytes });
    }
});
