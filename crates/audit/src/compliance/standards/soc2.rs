//! Trust Services Criteria.

use super::by_policy::{
    ACC1, ACC2, ACC3, ACC4, AVL1, CHG1, CHG2, COV1, COV2, CRY1, FLD1, FWD1, INC1, INT1, INT4, RET1, RET2,
    REV1, REV2, SOD1,
};
use super::{Control, on, outside};

pub(super) const CONTROLS: &[Control] = &[
    outside("CC1.1", "integrity and ethical values of the organisation"),
    on("CC2.1", "information used for control is of good quality", &[FLD1, COV1, INT1]),
    on("CC4.1", "controls are evaluated continually", &[REV1, REV2]),
    on("CC4.2", "deficiencies are reported and followed up", &[REV1, REV2]),
    on("CC5.2", "general controls over technology are chosen and in place", &[CHG1, ACC3]),
    on("CC6.1", "logical access is protected by architecture and keys", &[ACC2, ACC3, CRY1]),
    on("CC6.2", "users are authorised before they get credentials, and removed afterwards", &[ACC4]),
    on("CC6.3", "access follows roles, least privilege and separation of duties", &[ACC3, ACC4, SOD1]),
    outside("CC6.4", "physical access"),
    on("CC6.6", "external access points are guarded", &[ACC2]),
    on("CC6.7", "movement and removal of information is restricted", &[ACC1, FWD1, CRY1]),
    on("CC6.8", "unauthorised software and changes are prevented or detected", &[CHG1, CHG2]),
    on("CC7.1", "configuration changes that open weaknesses are detected", &[CHG1, CHG2]),
    on("CC7.2", "components are monitored for anomalies", &[COV1, REV2]),
    on("CC7.3", "security events are evaluated", &[REV1, REV2]),
    on("CC7.4", "incidents are responded to", &[INC1, AVL1]),
    on("CC7.5", "recovery from incidents", &[INC1, AVL1]),
    on("CC8.1", "changes are authorised, designed, tested, approved and put in place", &[CHG1, SOD1]),
    on("CC9.1", "risk of disruption is mitigated", &[AVL1]),
    on("A1.1", "capacity is managed", &[AVL1]),
    on("A1.2", "backup and recovery are in place", &[AVL1]),
    on("A1.3", "recovery is tested", &[AVL1]),
    on("C1.1", "confidential information is identified and kept", &[CRY1, RET1, RET2]),
    on("C1.2", "confidential information is disposed of", &[CRY1, RET1, RET2]),
    on("PI1.3", "processing is complete and accurate", &[INT1, INT4, COV2]),
    on("PI1.4", "output is complete and accurate", &[INT1, INT4, COV2]),
    on("PI1.5", "inputs and outputs are stored completely and accurately", &[INT1, INT4, COV2]),
    on("P4.2", "personal information is retained as stated", &[RET2]),
    on("P4.3", "personal information is disposed of", &[RET2]),
];
