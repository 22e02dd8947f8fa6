//! GDPR.

use super::by_policy::{AVL1, CRY1, FLD1, INC1, INT1, INT3, RET2, REV1};
use super::{Control, declared, on, outside};

pub(super) const CONTROLS: &[Control] = &[
    on("Art. 5(1)(c)", "data minimisation", &[RET2]),
    on("Art. 5(1)(e)", "storage limitation", &[RET2]),
    on("Art. 5(1)(f)", "integrity and confidentiality", &[INT1, CRY1]),
    on("Art. 5(2)", "accountability: compliance can be demonstrated", &[INT1, INT3]),
    declared("Art. 15", "access by the data subject (query by subject, export)"),
    on("Art. 17", "erasure", &[RET2]),
    declared("Art. 18", "restriction of processing"),
    declared("Art. 21", "objection"),
    on("Art. 25", "data protection by design and by default", &[CRY1]),
    on("Art. 30", "records of processing activities", &[FLD1]),
    on("Art. 32(1)(a)", "pseudonymisation and encryption", &[CRY1]),
    on("Art. 32(1)(b)", "confidentiality, integrity, availability and resilience", &[INT1, CRY1, AVL1]),
    on("Art. 32(1)(c)", "availability can be restored", &[AVL1]),
    on("Art. 32(1)(d)", "effectiveness is tested regularly", &[AVL1, REV1]),
    on("Art. 33(1)", "breaches are notified within 72 hours", &[INC1]),
    on("Art. 33(5)", "breaches are documented", &[INC1]),
    on("Art. 34", "data subjects are told of breaches", &[INC1]),
    declared("Art. 35", "data protection impact assessment"),
    outside("Art. 37", "a data protection officer is designated"),
];
