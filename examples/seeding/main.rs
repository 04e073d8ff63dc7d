//! Measures what seeding costs: CPU of `femtotorrent seed` for each GiB that one fast leecher takes.
//!
//! `seeding PROGRAM [--size BYTES] [--piece BYTES] [--runs N]`
//!
//! The leecher stands in this process and does as little as it can: it asks for the blocks in order, a fixed
//! number ahead, and throws away what comes. The program serves files in memory over loopback. Its figures
//! are those between the unchoke and the last byte, as the kernel tells in `/proc` (resolution 10 ms), and
//! the median of the runs. Linux only.

#[path = "../measuring/mod.rs"]
mod measuring;

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clap::Parser;
use measuring::payload::Payload;
use measuring::{CommonArguments, Cost, process};

const BLOCK: u32 = 16 * 1024;
/// Requests that are on their way.
const AHEAD: u64 = 64;
/// Message ids.
const UNCHOKE: u8 = 1;
const PIECE: u8 = 7;
/// Index and begin of a block, before its bytes.
const BLOCK_HEAD: u64 = 8;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: CommonArguments,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { common } = Arguments::parse();
    measuring::measure_in_folder("seeding", &common, |payload, folder| measure(&common, payload, folder))
}

fn measure(arguments: &CommonArguments, payload: Payload, folder: &Path) -> Result<(), Box<dyn Error>> {
    let CommonArguments { program, size, piece, runs, .. } = arguments;
    let Payload { bytes, metainfo, info_hash } = payload;
    fs::write(folder.join("bench.torrent"), metainfo)?;
    fs::write(folder.join("bench.bin"), &bytes)?;
    drop(bytes);

    let Cost { wall, cpu, peak_mib } = measuring::median_of_runs(*runs, || {
        let mut command = Command::new(program);
        command.args(["seed", "--bind", "127.0.0.1"]).env("XDG_CONFIG_HOME", "/dev/null");
        command.arg(folder.join("bench.torrent")).arg("-d").arg(folder);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let cost = leech(&mut child, info_hash, arguments);
        child.kill()?;
        child.wait()?;
        cost
    })?;
    let mib = measuring::mib(*size)?;
    println!("seeding {size} bytes, pieces of {piece}, one leecher, median of {runs}");
    println!("{:>9} {:>9} {:>9} {:>9}", "wall s", "MiB/s", "CPU s/GiB", "peak MiB");
    println!("{wall:>9.3} {:>9.0} {:>9.2} {peak_mib:>9.1}", mib / wall, cpu * 1024.0 / mib);
    Ok(())
}

/// Takes everything from the seed once.
fn leech(
    child: &mut Child,
    info_hash: [u8; 20],
    arguments: &CommonArguments,
) -> Result<Cost, Box<dyn Error>> {
    let stream = TcpStream::connect(("127.0.0.1", port_of(child)?))?;
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(512 * 1024, &stream);
    let interested = [0, 0, 0, 1, 2];
    let hello =
        [&b"\x13BitTorrent protocol"[..], &[0; 8], &info_hash, b"-LE0000-000000000000", &interested].concat();
    (&stream).write_all(&hello)?;
    input.read_exact(&mut [0; 68])?;
    while skip_message(&mut input)?.0 != Some(UNCHOKE) {}

    let (begun, before) = (Instant::now(), process::cpu_seconds(child.id())?);
    let size = u64::try_from(arguments.size)?;
    let (mut asked, mut came) = (0, 0);
    let mut requests = Vec::new();
    while came < size {
        if asked - came <= AHEAD * u64::from(BLOCK) / 2 {
            while asked < size && asked - came < AHEAD * u64::from(BLOCK) {
                asked += request(asked, size, arguments.piece, &mut requests)?;
            }
            (&stream).write_all(&requests)?;
            requests.clear();
        }
        if let (Some(PIECE), length) = skip_message(&mut input)? {
            came += length.saturating_sub(BLOCK_HEAD);
        }
    }
    Ok(Cost {
        wall: begun.elapsed().as_secs_f64(),
        cpu: process::cpu_seconds(child.id())? - before,
        peak_mib: process::peak_mib(child.id())?.ok_or("the seed has ended")?,
    })
}

/// Waits until the seed says at which port it listens.
fn port_of(child: &mut Child) -> Result<u16, Box<dyn Error>> {
    let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("listening on port ")?;
        port.parse().ok()
    });
    // Whatever it says later, it must not wait for us to read it.
    std::thread::spawn(move || lines.for_each(drop));
    port.ok_or_else(|| "the seed does not listen".into())
}

/// Adds the request for the block at this offset of the payload, and gives its length.
fn request(at: u64, size: u64, piece_length: u32, into: &mut Vec<u8>) -> Result<u64, Box<dyn Error>> {
    let (index, begin) = (at / u64::from(piece_length), at % u64::from(piece_length));
    let length = u64::from(BLOCK).min(size - at).min(u64::from(piece_length) - begin);
    into.extend([0, 0, 0, 13, 6]);
    for field in [index, begin, length] {
        into.extend(u32::try_from(field)?.to_be_bytes());
    }
    Ok(length)
}

/// The id of the next message, `None` for a keep-alive, and how many bytes followed it. They are thrown away.
fn skip_message(input: &mut BufReader<&TcpStream>) -> Result<(Option<u8>, u64), Box<dyn Error>> {
    let (mut prefix, mut id) = ([0; 4], [0]);
    input.read_exact(&mut prefix)?;
    let Some(length) = u64::from(u32::from_be_bytes(prefix)).checked_sub(1) else { return Ok((None, 0)) };
    input.read_exact(&mut id)?;
    let mut left = usize::try_from(length)?;
    while left > 0 {
        let here = input.fill_buf()?.len().min(left);
        if here == 0 {
            return Err("the seed hung up".into());
        }
        input.consume(here);
        left -= here;
    }
    let [id] = id;
    Ok((Some(id), length))
}
