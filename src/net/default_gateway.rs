//! The default gateway: the router that everything takes which leaves the local network.
//!
//! Linux lists its routes in files, whose form is that of the kernel (`proc(5)`). No other system says it without
//! system calls of its own, and there we know of no gateway. Reading takes microseconds and sends nothing.

use super::BindAddress;
use super::device::Device;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The most that we read of a file: some thousand routes. Default routes stand at its beginning.
const MAX_BYTES: u64 = 512 * 1024;
/// The route is in use, and leads through a router (`linux/route.h`: RTF_UP, RTF_GATEWAY).
const UP_THROUGH_A_ROUTER: u32 = 1 | 2;

/// The default gateways of IPv4 and of IPv6, each at this port: of the interface that everything leaves by, if the user
/// named one. An IPv6 address has its interface.
pub fn default_gateways(port: u16, bind_address: BindAddress) -> [Option<SocketAddr>; 2] {
    let device = bind_address.interface().map(Device::name);
    let four = ipv4(&read("/proc/net/route"), device).map(|ip| SocketAddr::from((ip, port)));
    let six = ipv6(&read("/proc/net/ipv6_route"), &read("/proc/net/if_inet6"), device);
    [four, six.map(|(ip, interface)| SocketAddrV6::new(ip, port, 0, interface).into())]
}

/// The beginning of a file; nothing if it cannot be read.
fn read(path: &str) -> String {
    let mut text = String::new();
    let file = File::open(path).map(|file| file.take(MAX_BYTES));
    let _ = file.and_then(|mut file| file.read_to_string(&mut text));
    text
}

/// The router of the default route with the least metric, of those through `device` if one is given. `routes` is
/// `/proc/net/route`: interface, destination, gateway, flags, two counters, metric, mask; addresses are numbers in the
/// host's own byte order.
fn ipv4(routes: &str, device: Option<&str>) -> Option<Ipv4Addr> {
    let default = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [interface, to, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let is_default = number(to)? == 0 && number(mask)? == 0 && device.is_none_or(|it| it == interface);
        let is_usable = number(flags)? & UP_THROUGH_A_ROUTER == UP_THROUGH_A_ROUTER;
        let gateway = Ipv4Addr::from(number(gateway)?.to_ne_bytes());
        (is_default && is_usable && !gateway.is_unspecified())
            .then_some((metric.parse::<u32>().ok()?, gateway))
    };
    routes.lines().filter_map(default).min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

/// The router of the default route with the least metric, as for IPv4, and the number of the interface that it is
/// reached through. `routes` is `/proc/net/ipv6_route`: destination and its length, source and its length, next hop,
/// metric, two counters, flags, interface. `interfaces` is `/proc/net/if_inet6`: address, number, three numbers
/// more, name.
fn ipv6(routes: &str, interfaces: &str, device: Option<&str>) -> Option<(Ipv6Addr, u32)> {
    let default = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [to, length, _, _, gateway, metric, _, _, flags, interface] = fields[..] else { return None };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let address = |text: &str| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from_bits);
        let is_default = address(to)?.is_unspecified() && number(length)? == 0;
        let is_default = is_default && device.is_none_or(|it| it == interface);
        let is_usable = number(flags)? & UP_THROUGH_A_ROUTER == UP_THROUGH_A_ROUTER;
        let gateway = address(gateway)?;
        let is_good = is_default && is_usable && !gateway.is_unspecified() && !gateway.is_multicast();
        is_good.then_some((number(metric)?, gateway, interface.to_owned()))
    };
    let (_, gateway, name) = routes.lines().filter_map(default).min_by_key(|(metric, ..)| *metric)?;
    let is_its = |line: &&str| line.split_ascii_whitespace().nth(5) == Some(&name);
    let line = interfaces.lines().find(is_its)?;
    Some((gateway, u32::from_str_radix(line.split_ascii_whitespace().nth(1)?, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth1\t00000000\t0103A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_with_the_least_metric_names_the_gateway() {
        assert_eq!(ipv4(ROUTES, None), Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(ipv4(ROUTES, Some("wlan0")), Some(Ipv4Addr::new(192, 168, 2, 1)));
        assert_eq!(ipv4(ROUTES, Some("tun0")), None, "what leaves by a tunnel asks no router beside it");
        // A tunnel has no router, and a route that is down leads nowhere.
        let none: Vec<&str> = ROUTES.lines().filter(|line| !line.contains("A8C0\t0003")).collect();
        assert_eq!(ipv4(&none.join("\n"), None), None);
    }

    #[test]
    fn an_ipv6_gateway_comes_with_its_interface() {
        let zero = "0".repeat(32);
        let routes = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n"
        );
        let interfaces = "00000000000000000000000000000001 01 80 10 80       lo\n\
                          fe80000000000000021122fffe334455 0a 40 20 80     eth0\n";
        assert_eq!(ipv6(&routes, interfaces, None), Some(("fe80::1".parse().unwrap(), 10)));
        assert_eq!(ipv6(&routes, interfaces, Some("tun0")), None);
        assert_eq!(ipv6(&routes, "", None), None);
    }

    #[test]
    fn what_is_no_list_of_routes_names_no_gateway() {
        for text in ["", "\n\n", "eth0", "a b c d e f g h i j", "eth0 0 zz 3 0 0 0 0", &"x ".repeat(9999)] {
            assert_eq!((ipv4(text, None), ipv6(text, text, None)), (None, None), "{text:.20}");
        }
    }
}
