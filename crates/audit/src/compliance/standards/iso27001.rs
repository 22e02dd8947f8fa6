//! ISO/IEC 27001:2022 annex A.

use super::by_policy::{
    ACC2, ACC3, ACC4, AVL1, CHG1, CHG2, COV1, CRY1, FLD1, FLD2, INC1, INT1, INT3, RET1, RET2, REV1, REV2,
    SOD1, TIM1,
};
use super::{Control, declared, on, outside};

pub(super) const CONTROLS: &[Control] = &[
    on("A.5.3", "segregation of duties", &[SOD1]),
    on("A.5.15", "access control", &[ACC3, ACC4]),
    on("A.5.16", "identity management", &[ACC3, ACC4]),
    on("A.5.17", "authentication information", &[ACC3, ACC4]),
    on("A.5.18", "access rights", &[ACC3, ACC4]),
    on("A.5.24", "incident management is planned", &[INC1, REV2]),
    on("A.5.25", "events are assessed", &[INC1, REV2]),
    on("A.5.26", "incidents are responded to", &[INC1, REV2]),
    on("A.5.27", "learning from incidents", &[INC1, REV2]),
    on("A.5.28", "evidence is collected (export with proofs and signed checkpoint)", &[INT1, INT3]),
    on("A.5.29", "security during disruption", &[AVL1]),
    on("A.5.30", "readiness of technology for continuity", &[AVL1]),
    on("A.5.33", "records are protected", &[INT1, RET1]),
    on("A.5.34", "privacy", &[RET2, CRY1]),
    outside("A.7.1", "physical security perimeters"),
    on("A.8.2", "privileged access rights", &[ACC3, FLD2]),
    on("A.8.5", "secure authentication", &[ACC2]),
    declared("A.8.6", "capacity management"),
    on("A.8.9", "configuration management", &[CHG1, CHG2]),
    on("A.8.10", "information is deleted", &[RET2]),
    on("A.8.11", "data masking", &[CRY1]),
    on("A.8.13", "backup", &[AVL1]),
    on("A.8.14", "redundancy", &[AVL1]),
    on("A.8.15", "logs are produced, stored, protected and analysed", &[COV1, FLD1, INT1, REV1]),
    on("A.8.16", "monitoring", &[COV1, REV2]),
    on("A.8.17", "clock synchronisation", &[TIM1]),
    on("A.8.24", "use of cryptography", &[CRY1]),
    on("A.8.32", "change management", &[CHG1]),
];
