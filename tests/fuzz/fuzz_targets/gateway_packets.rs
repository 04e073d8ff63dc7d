//! What a router sends by UDP: PCP, NAT-PMP, and where the description of a UPnP device is.
//!
//! What is taken for an answer has all its parts, and leads nowhere but to the host that it came from.

#![no_main]

use femtotorrent::port_mapping::nat_pmp::{self, NatPmpAnswer};
use femtotorrent::port_mapping::pcp::{self, PcpAnswer};
use femtotorrent::port_mapping::upnp::{DeviceAddress, ssdp};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 1));

fn is_safe(address: &DeviceAddress) {
    assert!(address.at.ip() == ROUTER && address.at.port() != 0);
    assert!(address.path.starts_with('/') && address.path.len() <= 512);
    assert!(address.path.bytes().all(|byte| byte.is_ascii_graphic()));
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(answer) = PcpAnswer::from_wire(bytes) {
        assert!(bytes[0] == pcp::VERSION && bytes.len() >= 24 && bytes.len() <= pcp::MAX_LENGTH);
        if let pcp::About::Map { nonce, .. } = answer.about {
            assert_eq!(bytes[24..36], nonce);
        }
    }
    if let Some(answer) = NatPmpAnswer::from_wire(bytes) {
        assert!(bytes[0] == nat_pmp::VERSION && PcpAnswer::from_wire(bytes).is_none());
        if let nat_pmp::About::Address(Some(ip)) = answer.about {
            assert!(!ip.is_unspecified() && answer.result == nat_pmp::SUCCESS);
        }
    }
    if let Some(address) = ssdp::answer(bytes, ROUTER) {
        is_safe(&address);
        let reference = String::from_utf8_lossy(bytes);
        address.join(&reference).iter().for_each(is_safe);
    }
    let base = DeviceAddress::parse("http://192.168.1.1:5000/a/b.xml").unwrap();
    base.join(&String::from_utf8_lossy(bytes)).iter().for_each(is_safe);
});
