//! Models as bytes: docs/failure-prediction.md has the format.

use super::{
    FittedIsolation, Link, ModelError, Node, Tree, TreeModel,
    isolation::{Cut, Paths},
};

const MAGIC: &[u8; 7] = b"vmtrees";
const VERSION: u16 = 1;
const ADDITIVE: u8 = 0;
const ISOLATION: u8 = 1;
const EXTENDED: u8 = 2;

impl TreeModel {
    /// The model as bytes. Equal models give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new(ADDITIVE);
        w.model(self);
        w.finish()
    }

    /// A model from bytes of any origin: everything is checked, memory stays within a small multiple of the input.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut r = Reader::new(bytes)?;
        let kind = r.u8()?;
        if kind != ADDITIVE {
            return Err(ModelError::Kind { found: kind, expected: ADDITIVE });
        }
        let model = r.model()?;
        r.finish()?;
        Ok(model)
    }
}

impl FittedIsolation {
    /// The forest as bytes. Equal forests give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.paths {
            Paths::Plain(model) => {
                let mut w = Writer::new(ISOLATION);
                w.f64(self.usual);
                w.model(model);
                w.finish()
            }
            Paths::Extended { features, trees } => {
                let mut w = Writer::new(EXTENDED);
                w.f64(self.usual);
                w.u32(*features);
                w.u32(trees.len());
                trees.iter().for_each(|t| w.cuts(t));
                w.finish()
            }
        }
    }

    /// A forest from bytes of any origin, checked like [`TreeModel::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut r = Reader::new(bytes)?;
        let kind = r.u8()?;
        if kind != ISOLATION && kind != EXTENDED {
            return Err(ModelError::Kind { found: kind, expected: ISOLATION });
        }
        let usual = r.f64("usual path")?;
        if usual < 0.0 {
            return Err(ModelError::Field { name: "usual path" });
        }
        let paths = if kind == ISOLATION { Paths::Plain(r.model()?) } else { r.extended()? };
        r.finish()?;
        Ok(Self { usual, paths })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.push(kind);
        Self(bytes)
    }

    fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    /// Counts and positions are below 2³² by construction (tables and trees refuse more).
    fn u32(&mut self, v: usize) {
        self.0.extend(u32::try_from(v).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn f64(&mut self, v: f64) {
        self.0.extend(v.to_le_bytes());
    }

    fn model(&mut self, model: &TreeModel) {
        self.u8(u8::from(model.link == Link::Logistic));
        self.f64(model.base);
        self.f64(model.scale);
        self.u32(model.features);
        self.u32(model.trees.len());
        for tree in &model.trees {
            self.u32(tree.nodes().len());
            tree.nodes().iter().for_each(|n| self.node(n));
        }
    }

    fn node(&mut self, n: &Node) {
        if n.left == 0 {
            self.u8(0);
        } else {
            self.u8(1 + u8::from(n.missing_left));
            self.u32(n.feature as usize);
            self.f64(n.threshold);
            self.u32(n.left as usize);
            self.u32(n.right as usize);
            self.f64(n.gain);
        }
        self.f64(n.value);
        self.f64(n.cover);
    }

    fn cuts(&mut self, cuts: &[Cut]) {
        self.u32(cuts.len());
        for cut in cuts {
            self.u32(cut.direction.len());
            for &(feature, coefficient) in &cut.direction {
                self.u32(feature as usize);
                self.f64(coefficient);
            }
            self.f64(cut.offset);
            self.u32(cut.left as usize);
            self.u32(cut.right as usize);
            self.f64(cut.length);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let sum = crc32(&self.0);
        self.0.extend(sum.to_le_bytes());
        self.0
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ModelError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ModelError::Magic);
        }
        let mut reader = Self { bytes, at: MAGIC.len() };
        let found = u16::from_le_bytes(reader.take()?);
        if found != VERSION {
            return Err(ModelError::Version { found, known: VERSION });
        }
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
            return Err(ModelError::Size { at: bytes.len(), length: bytes.len() });
        };
        if crc32(body) != u32::from_le_bytes(*sum) {
            return Err(ModelError::Checksum);
        }
        reader.bytes = body;
        Ok(reader)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let size = ModelError::Size { at: self.at, length: self.bytes.len() };
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>).ok_or(size)?;
        self.at += N;
        Ok(*chunk)
    }

    fn u8(&mut self) -> Result<u8, ModelError> {
        Ok(self.take::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn f64(&mut self, name: &'static str) -> Result<f64, ModelError> {
        let v = f64::from_le_bytes(self.take()?);
        if v.is_finite() { Ok(v) } else { Err(ModelError::Field { name }) }
    }

    /// A number of items of at least `least` bytes each: never more than the bytes can hold.
    fn count(&mut self, least: usize) -> Result<usize, ModelError> {
        let count = self.u32()? as usize;
        if count > (self.bytes.len() - self.at) / least {
            return Err(ModelError::Size { at: self.at, length: self.bytes.len() });
        }
        Ok(count)
    }

    fn model(&mut self) -> Result<TreeModel, ModelError> {
        let link = match self.u8()? {
            0 => Link::Identity,
            1 => Link::Logistic,
            _ => return Err(ModelError::Field { name: "link" }),
        };
        let (base, scale) = (self.f64("base")?, self.f64("scale")?);
        let features = self.features()?;
        let count = self.count(21)?;
        let mut trees = Vec::with_capacity(count);
        for tree in 0..count {
            let nodes = self.count(17)?;
            let nodes: Vec<Node> = (0..nodes).map(|_| self.node()).collect::<Result<_, _>>()?;
            let placed = |e| match e {
                ModelError::Node { node, what, .. } => ModelError::Node { tree, node, what },
                other => other,
            };
            trees.push(Tree::from_nodes(nodes).map_err(placed)?);
        }
        TreeModel::from_trees(link, base, scale, features, trees)
    }

    /// Explanations have one number per feature, so that a number without bound would be an attack on memory.
    fn features(&mut self) -> Result<usize, ModelError> {
        let features = self.u32()? as usize;
        if (1..=1 << 20).contains(&features) {
            Ok(features)
        } else {
            Err(ModelError::Field { name: "features" })
        }
    }

    fn node(&mut self) -> Result<Node, ModelError> {
        let tag = self.u8()?;
        let mut node = Node::leaf(0.0, 0.0);
        match tag {
            0 => {}
            1 | 2 => {
                node.missing_left = tag == 2;
                node.feature = self.u32()?;
                node.threshold = self.f64("threshold")?;
                (node.left, node.right) = (self.u32()?, self.u32()?);
                if node.left == 0 || node.right == 0 {
                    return Err(ModelError::Field { name: "children" });
                }
                node.gain = self.f64("gain")?;
            }
            _ => return Err(ModelError::Field { name: "node" }),
        }
        (node.value, node.cover) = (self.f64("value")?, self.f64("cover")?);
        Ok(node)
    }

    fn extended(&mut self) -> Result<Paths, ModelError> {
        let features = self.features()?;
        let count = self.count(32)?;
        let mut trees = Vec::with_capacity(count);
        for tree in 0..count {
            let size = self.count(28)?;
            let cuts: Vec<Cut> = (0..size).map(|_| self.cut(features)).collect::<Result<_, _>>()?;
            check_cuts(&cuts, tree)?;
            trees.push(cuts);
        }
        Ok(Paths::Extended { features, trees })
    }

    fn cut(&mut self, features: usize) -> Result<Cut, ModelError> {
        let width = self.count(12)?;
        let mut direction = Vec::with_capacity(width);
        for _ in 0..width {
            let feature = self.u32()?;
            if feature as usize >= features {
                return Err(ModelError::Field { name: "direction" });
            }
            direction.push((feature, self.f64("direction")?));
        }
        let offset = self.f64("offset")?;
        Ok(Cut { direction, offset, left: self.u32()?, right: self.u32()?, length: self.f64("length")? })
    }

    fn finish(self) -> Result<(), ModelError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(ModelError::Size { at: self.at, length: self.bytes.len() })
        }
    }
}

/// Every cut but the first has one parent, which comes before it.
fn check_cuts(cuts: &[Cut], tree: usize) -> Result<(), ModelError> {
    let nodes = cuts.iter().map(|c| Node { left: c.left, right: c.right, ..Node::leaf(c.length, 0.0) });
    Tree::from_nodes(nodes.collect()).map(|_| ()).map_err(|e| match e {
        ModelError::Node { node, what, .. } => ModelError::Node { tree, node, what },
        other => other,
    })
}

/// CRC-32 (IEEE 802.3), bit by bit: models are small and read once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |c: u32, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
    !bytes.iter().fold(!0, |c: u32, &b| (0..8).fold(c ^ u32::from(b), step))
}
