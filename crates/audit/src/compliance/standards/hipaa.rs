//! HIPAA Security Rule.

use super::by_policy::{ACC2, ACC3, ACC4, AVL1, CHG1, COV1, CRY1, FLD1, FLD2, INC1, INT1, INT2, REV1, REV2};
use super::{CheckId, Control, Limit, declared, on, outside};

pub(super) const CONTROLS: &[Control] = &[
    on("164.308(a)(1)(ii)(D)", "activity is reviewed regularly", &[REV1]),
    declared("164.308(a)(2)", "a security official is named"),
    on("164.308(a)(3)", "workforce security", &[ACC4]),
    on("164.308(a)(4)", "access management", &[ACC4]),
    on("164.308(a)(5)(ii)(C)", "log-ins are monitored", &[ACC2]),
    on("164.308(a)(6)(ii)", "incidents are answered and reported", &[INC1]),
    on("164.308(a)(7)(ii)(A)", "data is backed up", &[AVL1]),
    on("164.308(a)(7)(ii)(B)", "data can be restored", &[AVL1]),
    on("164.308(a)(7)(ii)(C)", "operation in emergencies", &[AVL1]),
    on("164.308(a)(7)(ii)(D)", "contingency plans are tested", &[AVL1]),
    outside("164.310(a)(1)", "physical access to facilities"),
    on("164.312(a)(1)", "access control", &[ACC3, FLD2]),
    on("164.312(a)(2)(i)", "unique user identification", &[ACC3, FLD2]),
    on("164.312(a)(2)(ii)", "emergency access procedure, reviewed afterwards", &[CHG1, REV2]),
    on("164.312(a)(2)(iv)", "encryption at rest", &[CRY1]),
    on("164.312(b)", "activity is recorded and examined", &[COV1, FLD1, REV1]),
    on("164.312(c)(1)", "integrity", &[INT1, INT2]),
    on("164.312(c)(2)", "corroboration that data was not altered", &[INT1, INT2]),
    on("164.312(d)", "persons and entities are authenticated", &[ACC2]),
    on("164.312(e)(2)(ii)", "encryption in transit", &[CRY1]),
    on("164.316(b)(2)(i)", "documentation is kept for six years", &[(CheckId::Ret1, Limit::Days(2191, 90))]),
    declared("164.528", "accounting of disclosures (query by subject, six years)"),
];
