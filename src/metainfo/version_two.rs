//! Torrents of version 2 (BEP 52): their files, and the digests of their pieces.
//!
//! Version 2 has a tree of files in place of a list, and a tree of hashes for each file in place of one list of digests.
//! Of each tree the root stands in `info`, under the info-hash. The digests of the pieces are a layer of the tree and
//! stand outside, in `piece layers`: they follow from the root, so they are checked against it here. A file of one
//! piece needs none, since its root is the digest of its piece.
//!
//! Each file begins at a piece. Between two files there may be a gap, which we count as padding (BEP 47), although no
//! byte of it is ever sent.

use super::error::MetainfoError;
use super::file_tree::{self, TreeFile};
use super::files::{FileKind, FileList, Listing};
use super::limits::{MAX_FILES, MAX_PIECES};
use super::path::FilePath;
use super::{File, InfoHashV2, MAX_PIECE_LENGTH, Version, element, magnet, trackers};
use crate::bencode::{Dictionary, Step, Value};
use crate::piece::merkle::{self, Node, Subtree};
use crate::piece::{BLOCK_LENGTH, Geometry, NodeRange, PieceDigest, PieceLayer};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

/// Bytes in a digest.
const NODE: usize = size_of::<Node>();

/// What version 2 says of the payload.
pub(super) struct VersionTwo {
    /// The torrent's own name: that of its only file, where it has no folder, whatever `info` says beside that.
    pub(super) name: Vec<u8>,
    pub(super) files: FileList,
    pub(super) geometry: Geometry,
    pub(super) layers: Layers,
}

/// Where the digests of all pieces are, by file.
pub(super) struct Layers {
    files: Vec<FileLayer>,
    /// How far they are above the blocks.
    base_layer: u32,
    /// What peers may ask for, from when one has: the layers of more than one piece, by their roots.
    served: OnceLock<HashMap<Node, ServedLayer>>,
}

/// The digests of the pieces of one file, one after the other.
struct FileLayer {
    /// Its first piece.
    first: u32,
    /// How many pieces.
    count: u32,
    /// Where the digests begin in the torrent's bytes.
    start: usize,
    /// Where the root is.
    root: usize,
}

/// A layer that peers may ask for, from when one has.
type ServedLayer = (Range<usize>, OnceLock<PieceLayer>);

impl Layers {
    fn new(files: Vec<FileLayer>, piece_length: u32) -> Layers {
        Layers { files, base_layer: base_layer(piece_length), served: OnceLock::new() }
    }

    /// The digest of this piece, which the torrent has. `raw` are the bytes that were read.
    pub(super) fn digest(&self, raw: &[u8], index: u32) -> Option<PieceDigest> {
        let at = self.files.partition_point(|layer| layer.first <= index).checked_sub(1)?;
        let layer = self.files.get(at)?;
        let number = usize::try_from(index.checked_sub(layer.first)?).ok()?;
        let start = layer.start.checked_add(number.checked_mul(NODE)?)?;
        raw.get(start..)?.first_chunk().copied().map(PieceDigest::Node)
    }

    /// The nodes of the tree with this root that a peer has asked for, if they may be had.
    pub(super) fn nodes(&self, raw: &[u8], root: &Node, range: NodeRange) -> Option<Vec<Node>> {
        let served =
            self.served.get_or_init(|| self.files.iter().filter_map(|file| file.served(raw)).collect());
        let (place, layer) = served.get(root)?;
        let digests = raw.get(place.clone())?.as_chunks().0;
        layer.get_or_init(|| PieceLayer::new(self.base_layer, digests)).nodes(digests, range)
    }
}

impl FileLayer {
    fn served(&self, raw: &[u8]) -> Option<(Node, ServedLayer)> {
        let root = raw.get(self.root..)?.first_chunk().copied()?;
        let end = self.start.checked_add(usize::try_from(self.count).ok()?.checked_mul(NODE)?)?;
        (self.count > 1).then(|| (root, (self.start..end, OnceLock::new())))
    }
}

const PADDING: MetainfoError =
    MetainfoError::Field { name: "file tree", fault: "has padding, or nothing but a link" };

fn field(name: &'static str, fault: &'static str) -> MetainfoError {
    MetainfoError::Field { name, fault }
}

/// A layer of digests that a torrent needs beside its `info`: that of a file of more than one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingLayer {
    /// The root of the file's tree.
    pub pieces_root: Node,
    /// How far it is above the blocks.
    pub base_layer: u32,
    /// Its digests: as many as the file has pieces.
    pub pieces: u32,
}

/// The layers that belong to this `info` value of version 2. None if it cannot be read: then it is no torrent.
pub fn layers_of(info: &[u8]) -> Vec<MissingLayer> {
    let Ok(Value::Dictionary(info)) = Value::parse_lenient(info) else { return Vec::new() };
    let (Ok(piece_length), Ok(Some(tree))) = (super::piece_length(info), file_tree::of(info)) else {
        return Vec::new();
    };
    if !fits(piece_length) {
        return Vec::new();
    }
    let base_layer = base_layer(piece_length);
    let mut layers = Vec::new();
    let (mut room, mut files) = (MAX_PIECES, 0_usize);
    let mut seen = HashSet::new();
    let walked = file_tree::walk(tree, &mut |file| {
        let pieces =
            u32::try_from(file.length.div_ceil(piece_length.into())).map_err(|_| MetainfoError::TooLarge)?;
        room = room.checked_sub(pieces).ok_or(MetainfoError::TooLarge)?;
        files = files.checked_add(1).filter(|files| *files <= MAX_FILES).ok_or(MetainfoError::TooLarge)?;
        let root = file.root.and_then(|root| Node::try_from(root).ok());
        if let Some(pieces_root) = root.filter(|root| pieces > 1 && seen.insert(*root)) {
            layers.push(MissingLayer { pieces_root, base_layer, pieces });
        }
        Ok(())
    });
    if walked.is_ok() { layers } else { Vec::new() }
}

/// The version that this `info` is read as, if a hybrid one is read as this. It is asked before anything else: what is wrong
/// with a torrent of a newer version, this one cannot say (BEP 52, `meta version`).
pub(super) fn of(info: Dictionary, hybrid: Version) -> Result<Version, MetainfoError> {
    let number = info.get("meta version");
    let is_two = number.is_some() || info.get("file tree").is_some();
    let version = match (is_two, info.get("pieces").is_some()) {
        (true, true) => hybrid,
        (true, false) => Version::Two,
        (false, _) => Version::One,
    };
    match (version, number.map(Value::integer)) {
        (Version::One, _) | (Version::Two, Some(Some(2))) => Ok(version),
        (Version::Two, Some(Some(3..))) => Err(MetainfoError::NewerVersion),
        (Version::Two, Some(_)) => Err(field("meta version", "is not 2")),
        (Version::Two, None) => Err(field("meta version", "is missing")),
    }
}

/// Reads the files of a torrent whose own name is `name`. `raw` are all its bytes.
pub(super) fn read(
    raw: &[u8],
    torrent: Dictionary,
    info: Dictionary,
    name: &[u8],
    piece_length: u32,
) -> Result<VersionTwo, MetainfoError> {
    if !fits(piece_length) {
        return Err(field("piece length", "is not a power of two of 16 KiB or more, as version 2 demands"));
    }
    let lacks_layers = torrent.get("piece layers").is_none() && !layers_of(info.raw()).is_empty();
    if lacks_layers {
        return Err(MetainfoError::NoLayers { link: link_to(torrent, info, name) });
    }
    let tree = file_tree::of(info)?.ok_or(field("file tree", "is missing"))?;
    let mut reader =
        Reader { raw, piece_length, pieces: 0, known: known_layers(torrent)?, layers: Vec::new() };
    let only = only_file(tree);
    let files = match only {
        Some(name) => reader.one(tree, name)?,
        None => reader.many(tree, name)?,
    };
    if reader.known.values().any(|known| !known.is_used) {
        return Err(field("piece layers", "has a layer of no file"));
    }
    let lengths = files.files.iter().filter(|file| !file.padding).map(|file| file.length);
    let geometry = Geometry::of_files(lengths, piece_length).ok_or(MetainfoError::TooLarge)?;
    match geometry.piece_count() {
        0 => Err(MetainfoError::NoContent),
        _ => Ok(VersionTwo {
            name: only.unwrap_or(name).to_vec(),
            files,
            geometry,
            layers: Layers::new(reader.layers, piece_length),
        }),
    }
}

/// A magnet link to this torrent.
fn link_to(torrent: Dictionary, info: Dictionary, name: &[u8]) -> String {
    let hash = InfoHashV2::of(std::iter::once(info.raw()));
    let (trackers, web_seeds) = (trackers::tiers(torrent), trackers::web_seeds(torrent));
    let name = String::from_utf8_lossy(name);
    magnet::link(hash.truncated(), Some(hash), &name, trackers.iter().flatten(), &web_seeds)
}

/// The name of the file, if there is nothing but one file without a folder.
fn only_file<'a>(tree: Dictionary<'a>) -> Option<&'a [u8]> {
    let mut steps = tree.walk();
    let Some(Step::Enter(name)) = steps.next() else { return None };
    let Some(Step::Enter(b"")) = steps.next() else { return None };
    tree.iter().nth(1).is_none().then_some(name)
}

/// A layer that the torrent has.
struct KnownLayer<'a> {
    nodes: &'a [u8],
    /// It is that of a file.
    is_used: bool,
}

/// The layers that the torrent has, by their roots.
fn known_layers<'a>(torrent: Dictionary<'a>) -> Result<HashMap<&'a [u8], KnownLayer<'a>>, MetainfoError> {
    let Some(layers) = torrent.get("piece layers") else { return Ok(HashMap::new()) };
    let layers = layers.dictionary().ok_or(field("piece layers", "is not a dictionary"))?;
    let layer = |(root, nodes): (&'a [u8], Value<'a>)| {
        let nodes = nodes.bytes().ok_or(field("piece layers", "has a layer that is not a string"))?;
        Ok((root, KnownLayer { nodes, is_used: false }))
    };
    layers.iter().map(layer).collect()
}

struct Reader<'a> {
    raw: &'a [u8],
    piece_length: u32,
    /// Pieces of the files so far.
    pieces: u32,
    known: HashMap<&'a [u8], KnownLayer<'a>>,
    layers: Vec<FileLayer>,
}

impl<'a> Reader<'a> {
    fn one(&mut self, tree: Dictionary<'a>, name: &[u8]) -> Result<FileList, MetainfoError> {
        let own = element::own(name).unwrap_or(b"_".into());
        let mut files = Vec::new();
        file_tree::walk(tree, &mut |file| {
            if file.kind != FileKind::File {
                return Err(PADDING);
            }
            self.add_layer(&file, 1)?;
            files.push(File { path: FilePath::alone(&own), offset: 0, length: file.length, padding: false });
            Ok(())
        })?;
        let total_size = files.iter().map(|file| file.length).sum();
        Ok(FileList { files, total_size, symlinks: 0 })
    }

    fn many(&mut self, tree: Dictionary<'a>, name: &[u8]) -> Result<FileList, MetainfoError> {
        let mut listing = Listing::new(name);
        let mut count = 0_usize;
        file_tree::walk(tree, &mut |file| {
            count = count.saturating_add(1);
            if count > MAX_FILES {
                return Err(too_many(
                    "files",
                    MAX_FILES as u64,
                    "it has to be made of fewer files, such as archives",
                ));
            }
            match file.kind {
                FileKind::File => {}
                FileKind::Symlink => {
                    listing.skip_link();
                    return Ok(());
                }
                FileKind::Padding => return Err(PADDING),
            }
            let start = u64::from(self.pieces).saturating_mul(self.piece_length.into());
            let gap = start.saturating_sub(listing.end());
            if file.length > 0 && gap > 0 {
                listing.add_padding(gap)?;
            }
            self.add_layer(&file, count)?;
            listing.add(count, &mut file.path.iter().copied(), file.length)
        })?;
        Ok(listing.settle())
    }

    /// Finds the digests of the pieces of a file, which is that of this `number`.
    fn add_layer(&mut self, file: &TreeFile<'_, 'a>, number: usize) -> Result<(), MetainfoError> {
        let wrong = |name, fault| MetainfoError::FileField { file: number, name, fault };
        if file.length == 0 {
            return Ok(());
        }
        let count = file.length.div_ceil(self.piece_length.into());
        let left = u64::from(MAX_PIECES.saturating_sub(self.pieces));
        let Some(of_file) = u32::try_from(count).ok().filter(|count| u64::from(*count) <= left) else {
            return Err(too_many("pieces", MAX_PIECES.into(), "it has to be made with larger pieces"));
        };
        let root = file.root.ok_or(wrong("pieces root", "is missing"))?;
        let node = Node::try_from(root).map_err(|_| wrong("pieces root", "does not have 32 bytes"))?;
        if node == [0; NODE] {
            return Err(wrong("pieces root", "is nothing but zeros"));
        }
        let digests = match of_file {
            1 => root,
            _ => self.layer(root, node, of_file).map_err(|fault| wrong("piece layers", fault))?,
        };
        let start = |part| super::place(self.raw, part).start;
        let (start, root) = (start(digests), start(root));
        self.layers.push(FileLayer { first: self.pieces, count: of_file, start, root });
        self.pieces = self.pieces.saturating_add(of_file);
        Ok(())
    }

    /// The layer with this root, which must have so many nodes. Files of the same content have the same.
    fn layer(&mut self, root: &[u8], node: Node, count: u32) -> Result<&'a [u8], &'static str> {
        let known = self.known.get_mut(root).ok_or("has no layer of it")?;
        let (nodes, rest) = known.nodes.as_chunks::<NODE>();
        if !rest.is_empty() || nodes.len() as u64 != u64::from(count) {
            return Err("has a layer of another length");
        }
        if !known.is_used && root_of(nodes, self.piece_length) != node {
            return Err("has a layer that does not lead to its root");
        }
        known.is_used = true;
        Ok(known.nodes)
    }
}

/// The root above the digests of all pieces of a file.
fn root_of(nodes: &[Node], piece_length: u32) -> Node {
    let mut tree = Subtree::default();
    nodes.iter().for_each(|node| tree.push(*node));
    tree.root(merkle::levels(nodes.len() as u64), merkle::padding(base_layer(piece_length)))
}

/// Whether version 2 has pieces of this length.
fn fits(piece_length: u32) -> bool {
    piece_length.is_power_of_two() && (BLOCK_LENGTH..=MAX_PIECE_LENGTH).contains(&piece_length)
}

/// How far the digests of pieces are above the blocks.
fn base_layer(piece_length: u32) -> u32 {
    merkle::levels(u64::from(piece_length / BLOCK_LENGTH))
}

fn too_many(what: &'static str, most: u64, way_out: &'static str) -> MetainfoError {
    MetainfoError::TooMany { what, found: most.saturating_add(1), most, way_out }
}
