//! What a router sends over HTTP: the answer as a whole, its description, and its answers to calls.
//!
//! Whatever comes, no more is kept than came, and no service is called on another host.

#![no_main]

use femtotorrent::net::plain_http::{Arrived, arrived};
use femtotorrent::port_mapping::upnp::description::services;
use femtotorrent::port_mapping::upnp::soap::{Action, SoapAnswer};
use femtotorrent::port_mapping::upnp::{DeviceAddress, xml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bodies = vec![bytes.to_vec()];
    for has_ended in [false, true] {
        match arrived(bytes, has_ended) {
            Arrived::All(answer) => {
                assert!(answer.body.len() <= bytes.len());
                bodies.push(answer.body);
            }
            Arrived::Part => assert!(!has_ended, "nothing more will come"),
            Arrived::Nonsense => {}
        }
    }
    let from = DeviceAddress::parse("http://192.168.1.1:5000/desc.xml").unwrap();
    for body in bodies {
        let text = String::from_utf8_lossy(&body);
        let mut read = 0;
        let walked = xml::each_text(&text, |names, text| {
            assert!(!names.is_empty() && names.len() <= 32);
            assert!(text.len() <= 2 * xml::MAX_TEXT);
            read += 1;
        });
        assert!(read <= text.len());
        if let Ok(services) = services(&text, &from) {
            assert!(walked.is_ok() && services.len() <= 8);
            for service in services {
                assert_eq!(service.control.at.ip(), from.at.ip());
                let request = Action::GetExternalIpAddress.request(&service);
                assert_eq!(request.split("\r\n\r\n").count(), 2, "{request}");
            }
        }
        if let Ok(answer) = SoapAnswer::parse(&text) {
            assert!(answer.port != Some(0));
        }
    }
});
