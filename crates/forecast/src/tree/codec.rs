//! Models as bytes: docs/failure-prediction.md has the format.

use super::{
    FittedIsolation, Link, ModelError, Node, Tree, TreeModel,
    isolation::{Cut, Paths},
};
use crate::codec::{Reader, Writer};

/// How all models that are made of trees begin.
pub(crate) const MAGIC: &[u8] = b"vmtrees";
const ADDITIVE: u8 = 0;
const ISOLATION: u8 = 1;
const EXTENDED: u8 = 2;

impl TreeModel {
    /// The model as bytes. Equal models give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC, ADDITIVE);
        w.model(self);
        w.finish()
    }

    /// A model from bytes of any origin: everything is checked, memory stays within a small multiple of the input.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (mut r, kind) = Reader::new(MAGIC, bytes)?;
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
        let mut w = Writer::new(MAGIC, self.kind());
        w.isolation(self);
        w.finish()
    }

    const fn kind(&self) -> u8 {
        match self.paths {
            Paths::Plain(_) => ISOLATION,
            Paths::Extended { .. } => EXTENDED,
        }
    }

    /// A forest from bytes of any origin, checked like [`TreeModel::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (mut r, kind) = Reader::new(MAGIC, bytes)?;
        let forest = r.isolation(kind)?;
        r.finish()?;
        Ok(forest)
    }
}

impl Writer {
    pub(crate) fn model(&mut self, model: &TreeModel) {
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

    /// A forest without its kind.
    fn isolation(&mut self, forest: &FittedIsolation) {
        self.f64(forest.usual);
        match &forest.paths {
            Paths::Plain(model) => self.model(model),
            Paths::Extended { features, trees } => {
                self.u32(*features);
                self.u32(trees.len());
                trees.iter().for_each(|t| self.cuts(t));
            }
        }
    }

    /// A forest after its kind.
    pub(crate) fn isolation_of_kind(&mut self, forest: &FittedIsolation) {
        self.u8(forest.kind());
        self.isolation(forest);
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
}

impl Reader<'_> {
    pub(crate) fn model(&mut self) -> Result<TreeModel, ModelError> {
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
            trees.push(Tree::from_nodes(nodes).map_err(|e| in_tree(e, tree))?);
        }
        TreeModel::from_trees(link, base, scale, features, trees)
    }

    fn isolation(&mut self, kind: u8) -> Result<FittedIsolation, ModelError> {
        if kind != ISOLATION && kind != EXTENDED {
            return Err(ModelError::Kind { found: kind, expected: ISOLATION });
        }
        let usual = self.f64("usual path")?;
        if usual < 0.0 {
            return Err(ModelError::Field { name: "usual path" });
        }
        let paths = if kind == ISOLATION { Paths::Plain(self.model()?) } else { self.extended()? };
        Ok(FittedIsolation { usual, paths })
    }

    /// A forest after its kind.
    pub(crate) fn isolation_of_kind(&mut self) -> Result<FittedIsolation, ModelError> {
        let kind = self.u8()?;
        self.isolation(kind)
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
}

/// Every cut but the first has one parent, which comes before it.
fn check_cuts(cuts: &[Cut], tree: usize) -> Result<(), ModelError> {
    let nodes = cuts.iter().map(|c| Node { left: c.left, right: c.right, ..Node::leaf(c.length, 0.0) });
    Tree::from_nodes(nodes.collect()).map(|_| ()).map_err(|e| in_tree(e, tree))
}

/// The error of a tree, with its place in the model.
fn in_tree(error: ModelError, tree: usize) -> ModelError {
    match error {
        ModelError::Node { node, what, .. } => ModelError::Node { tree, node, what },
        other => other,
    }
}
