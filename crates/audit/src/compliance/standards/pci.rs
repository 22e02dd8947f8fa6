//! PCI DSS requirement 10 and neighbours.

use super::by_policy::{
    ACC1, ACC2, ACC3, ACC4, CHG1, COV1, COV2, FLD1, FLD2, FWD1, INC1, INT1, INT2, INT3, INT4, REV1, REV2,
    TIM1,
};
use super::{CheckId, Control, Limit, on, outside};

pub(super) const CONTROLS: &[Control] = &[
    on("6.5.1", "changes follow change control", &[CHG1]),
    on("7.2.1", "access model and least privilege", &[ACC3, ACC4]),
    on("8.2.1", "identities have a managed life cycle", &[ACC4]),
    outside("9.1.1", "physical access to cardholder data"),
    on("10.2.1", "audit logs are on and active everywhere", &[COV1, COV2]),
    on(
        "10.2.1.1",
        "individual access to cardholder data is recorded",
        &[(CheckId::Fld1, Limit::Cardholder), FLD2],
    ),
    on("10.2.1.2", "all administrative actions are recorded", &[ACC3]),
    on("10.2.1.3", "access to audit logs is recorded", &[ACC1]),
    on("10.2.1.4", "invalid access attempts are recorded", &[ACC2]),
    on("10.2.1.5", "changes to identities and credentials are recorded", &[ACC4]),
    on("10.2.1.6", "start, stop and pause of logging are recorded", &[COV2]),
    on("10.2.1.7", "creation and deletion of system-level objects are recorded", &[COV1]),
    on("10.2.2", "records hold user, type, time, outcome, origin and object", &[FLD1]),
    on("10.3.1", "reading logs is limited to those who need it", &[ACC1, ACC3]),
    on("10.3.2", "logs are protected from modification", &[INT1, INT3]),
    on("10.3.3", "logs are copied promptly to a central place", &[FWD1]),
    on("10.3.4", "changes of logs are detected", &[INT1, INT2, INT4]),
    on("10.4.1", "logs are reviewed at least daily", &[(CheckId::Rev1, Limit::Hours(24))]),
    on("10.4.1.1", "reviews are automated", &[(CheckId::Rev1, Limit::Hours(24))]),
    on("10.4.2", "logs of other components are reviewed periodically", &[REV1]),
    on("10.4.2.1", "how often follows from a risk analysis", &[REV1]),
    on("10.4.3", "exceptions and anomalies are followed up", &[REV2]),
    on("10.5.1", "twelve months are kept, three at hand", &[(CheckId::Ret1, Limit::Days(365, 90))]),
    on("10.6.1", "clocks are synchronised", &[TIM1]),
    on("10.6.2", "time is consistent", &[TIM1]),
    on("10.6.3", "time settings are protected, their changes recorded", &[TIM1, CHG1]),
    on("10.7.1", "failures of critical controls are detected (service providers)", &[COV2, INC1, REV2]),
    on("10.7.2", "failures of critical controls are detected and alerted", &[COV2, INC1, REV2]),
    on("10.7.3", "failures are answered, causes documented", &[COV2, INC1, REV2]),
    on("12.10.1", "incident response is ready", &[INC1]),
];
