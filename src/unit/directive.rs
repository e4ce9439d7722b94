//! Directives of `[Socket]`: which of them are options of `listen`, by the tables of options and families, and what
//! becomes of the others. Pure.
#![forbid(unsafe_code)]

use super::{address, value};
use crate::spec::error::nearest;
use crate::spec::family::FAMILIES;
use crate::spec::option::{OPTIONS, Row, What};
use crate::spec::value::Takes;

/// What a directive is about.
#[derive(Clone, Copy, Debug)]
pub enum Directive {
    /// A socket: the column of [`FAMILIES`] has it.
    Listen,
    /// An option: the row of [`OPTIONS`] at this place has it.
    Option(usize, &'static Row),
    /// The protocol of sockets that have an IP address.
    Protocol,
    /// Whether a process is started for each connection.
    Accept,
    /// It cannot be left out where it says yes, or says anything: why.
    Refused(&'static str),
    /// It tells a service manager what to do, and changes no socket.
    Manager,
}

/// The directives that are in neither table and that change what the program gets.
const OWN: [(&str, Directive); 4] = [
    ("SocketProtocol", Directive::Protocol),
    ("Accept", Directive::Accept),
    (
        "ListenUSBFunction",
        Directive::Refused("USB endpoints are no sockets"),
    ),
    (
        "PrivateNetwork",
        Directive::Refused(
            "the sockets would be in a namespace that the manager makes; use NetworkNamespacePath=",
        ),
    ),
];

/// The manager's directives of systemd.socket(5), and of the pages that it refers to for the processes that it starts:
/// systemd.exec(5), systemd.kill(5), systemd.resource-control(5).
const MANAGER: &str = "\
    DeferTrigger DeferTriggerMaxSec ExecStartPost ExecStartPre ExecStopPost ExecStopPre FlushPending MaxConnections \
    MaxConnectionsPerSource PassFileDescriptorsToExec PollLimitBurst PollLimitIntervalSec RemoveOnStop \
    SELinuxContextFromNet Service SmackLabel SmackLabelIPIn SmackLabelIPOut TimeoutSec TriggerLimitBurst \
    TriggerLimitIntervalSec XAttrAccept XAttrEntryPoint XAttrListen \
    AllowedCPUs AllowedMemoryNodes AmbientCapabilities AppArmorProfile BPFProgram BindPaths BindReadOnlyPaths \
    BlockIOAccounting BlockIODeviceWeight BlockIOReadBandwidth BlockIOWeight BlockIOWriteBandwidth CPUAccounting \
    CPUAffinity CPUQuota CPUQuotaPeriodSec CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CPUShares \
    CPUWeight CacheDirectory CacheDirectoryMode CapabilityBoundingSet ConfigurationDirectory \
    ConfigurationDirectoryMode CoredumpFilter CoredumpReceive DefaultMemoryLow DefaultMemoryMin \
    DefaultStartupMemoryLow Delegate DelegateSubgroup DeviceAllow DevicePolicy DisableControllers DynamicUser \
    Environment EnvironmentFile ExecPaths ExecSearchPath ExtensionDirectories ExtensionImagePolicy ExtensionImages \
    FinalKillSignal Group IOAccounting IODeviceLatencyTargetSec IODeviceWeight IOReadBandwidthMax IOReadIOPSMax \
    IOSchedulingClass IOSchedulingPriority IOWeight IOWriteBandwidthMax IOWriteIOPSMax IPAccounting IPAddressAllow \
    IPAddressDeny IPCNamespacePath IPEgressFilterPath IPIngressFilterPath IgnoreSIGPIPE ImportCredential \
    InaccessibleDirectories InaccessiblePaths KeyringMode KillMode KillSignal LimitAS LimitCORE LimitCPU LimitDATA \
    LimitFSIZE LimitLOCKS LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO LimitRTTIME \
    LimitSIGPENDING LimitSTACK LoadCredential LoadCredentialEncrypted LockPersonality LogExtraFields LogFilterPatterns \
    LogLevelMax LogNamespace LogRateLimitBurst LogRateLimitIntervalSec LogsDirectory LogsDirectoryMode \
    ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit ManagedOOMPreference \
    ManagedOOMSwap MemoryAccounting MemoryDenyWriteExecute MemoryHigh MemoryKSM MemoryLimit MemoryLow MemoryMax \
    MemoryMin MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax MemoryZSwapWriteback \
    MountAPIVFS MountFlags MountImagePolicy MountImages NFTSet NUMAMask NUMAPolicy Nice NoExecPaths NoNewPrivileges \
    OOMScoreAdjust PAMName PassEnvironment Personality PrivateBPF PrivateDevices PrivateIPC PrivateMounts PrivatePIDs \
    PrivateTmp PrivateUsers ProcSubset ProtectClock ProtectControlGroups ProtectHome ProtectHostname \
    ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyDirectories \
    ReadOnlyPaths ReadWriteDirectories ReadWritePaths RemoveIPC RestartKillSignal RestrictAddressFamilies \
    RestrictFileSystems RestrictNamespaces RestrictNetworkInterfaces RestrictRealtime RestrictSUIDSGID RootDirectory \
    RootEphemeral RootHash RootHashSignature RootImage RootImageOptions RootImagePolicy RootVerity RuntimeDirectory \
    RuntimeDirectoryMode RuntimeDirectoryPreserve SELinuxContext SecureBits SendSIGHUP SendSIGKILL SetCredential \
    SetCredentialEncrypted SetLoginEnvironment Slice SmackProcessLabel SocketBindAllow SocketBindDeny StandardError \
    StandardInput StandardInputData StandardInputText StandardOutput StartupAllowedCPUs StartupAllowedMemoryNodes \
    StartupBlockIOWeight StartupCPUShares StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow \
    StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax StateDirectory StateDirectoryMode SupplementaryGroups \
    SyslogFacility SyslogIdentifier SyslogLevel SyslogLevelPrefix SystemCallArchitectures SystemCallErrorNumber \
    SystemCallFilter SystemCallLog TTYColumns TTYPath TTYReset TTYRows TTYVHangup TTYVTDisallocate TasksAccounting \
    TasksMax TemporaryFileSystem TimeoutCleanSec TimerSlackNSec UMask UnsetEnvironment User UtmpIdentifier UtmpMode \
    WatchdogSignal WorkingDirectory";

/// The directives of options.
fn options() -> impl Iterator<Item = (usize, &'static Row)> + Clone {
    let rows = OPTIONS.iter().enumerate();
    rows.filter(|(_, row)| {
        !row.directive.is_empty() && address::families(row.directive).next().is_none()
    })
}

/// The directives that are more than the manager's, each once.
pub fn supported() -> Vec<&'static str> {
    let mut names: Vec<&str> = FAMILIES.iter().map(|family| family.directive).collect();
    names.extend(options().map(|(_, row)| row.directive));
    names.extend(OWN.iter().map(|(name, _)| *name));
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

/// The manager's.
pub fn managers() -> impl Iterator<Item = &'static str> {
    MANAGER.split_ascii_whitespace()
}

/// What `key` is; none if nothing is called so.
pub fn find(key: &str) -> Option<Directive> {
    if address::families(key).next().is_some() {
        return Some(Directive::Listen);
    }
    let row = options().find(|(_, row)| row.directive == key);
    let own = || OWN.iter().find(|(name, _)| *name == key).map(|row| row.1);
    row.map(|(at, row)| Directive::Option(at, row))
        .or_else(own)
        .or_else(|| {
            managers()
                .any(|name| name == key)
                .then_some(Directive::Manager)
        })
}

/// The directive that `key` was probably meant to be.
pub fn meant(key: &str) -> Option<&'static str> {
    let other_case = supported()
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(key));
    other_case.or_else(|| nearest(key.as_bytes(), supported().into_iter()))
}

/// Whether systemd goes on with a warning where the kernel refuses the option: those that say how well a socket works,
/// and not those that say who can reach it.
pub fn is_best_effort(row: &Row) -> bool {
    match row.what {
        What::Option(..) => row.takes != Takes::Interface,
        what => what == What::PipeSize,
    }
}

/// A value that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// None of the directive's; what would be one.
    Malformed(String),
    /// One that systemd takes and the kernel refuses, so that the kernel's default stays; what would be taken.
    Refused(String),
}

impl<T: Into<String>> From<T> for Wrong {
    fn from(why: T) -> Self {
        Wrong::Malformed(why.into())
    }
}

/// The option's value, none where the directive asks for nothing: the kernel's default.
///
/// # Errors
/// What would be a value.
pub fn translate(row: &'static Row, text: &str) -> Result<Option<String>, Wrong> {
    let value = match &row.takes {
        Takes::Flag(_) if row.what == What::V6only => Some(v6only(text)?.to_owned()),
        Takes::Flag(_) => {
            let yes = value::boolean(text).ok_or("yes or no is wanted")?;
            // the kernel's default is no, but for this one
            let default = row.name == "passrights";
            (yes != default).then(|| if yes { "yes" } else { "no" }.to_owned())
        }
        Takes::Word(_) => timestamps(text)?.map(str::to_owned),
        Takes::Number(least, most) => whole(row, text, *least, *most)?,
        Takes::Bits(_) => bits(text)?,
        Takes::Size(_) if row.what == What::Msgsize => whole(row, text, 1, i32::MAX)?,
        Takes::Size(most) => {
            let size =
                value::size(text).ok_or("a number of bytes is wanted, perhaps with K, M or G")?;
            // the kernel doubles a buffer, and clamps
            let clamp = u64::from(most.unsigned_abs());
            let size = if size <= 2 * clamp + 1 {
                size.min(clamp)
            } else {
                size
            };
            (size > 0).then(|| shortest(size))
        }
        Takes::Mode => {
            let mode = value::mode(text).ok_or("an octal mode up to 7777 is wanted")?;
            Some(format!("{mode:04o}"))
        }
        _ => Some(text.to_owned()),
    };
    let Some(value) = value else {
        return Ok(None);
    };
    if row.takes.parse(Some(value.as_bytes())).is_some() {
        return Ok(Some(value));
    }
    Err(match row.takes {
        Takes::Number(least, most) => {
            Wrong::Refused(format!("a number from {least} to {most} is wanted"))
        }
        Takes::Size(most) => Wrong::Refused(format!("at most {most} bytes are wanted")),
        Takes::Bits(most) => format!("a number from 0 to {most} is wanted").into(),
        Takes::Interface => "the name of a network interface is wanted".into(),
        Takes::Owner => "the name or number of one user or group is wanted".into(),
        _ => format!("{value} is not what option {} takes", row.name).into(),
    })
}

fn v6only(text: &str) -> Result<&'static str, &'static str> {
    match (text, value::boolean(text)) {
        ("default", _) => Ok("kernel"),
        ("both", _) | (_, Some(false)) => Ok("no"),
        ("ipv6-only", _) | (_, Some(true)) => Ok("yes"),
        _ => Err("default, both or ipv6-only is wanted"),
    }
}

fn timestamps(text: &str) -> Result<Option<&'static str>, &'static str> {
    match text {
        "us" | "usec" | "\u{b5}s" => Ok(Some("us")),
        "ns" | "nsec" => Ok(Some("ns")),
        "off" => Ok(None),
        _ => match value::boolean(text) {
            Some(yes) => Ok(yes.then_some("ns")),
            None => Err("off, us or ns is wanted"),
        },
    }
}

/// A number; below the least that means something it asks for nothing.
fn whole(row: &Row, text: &str, least: i32, most: i32) -> Result<Option<String>, Wrong> {
    let number = if row.directive.ends_with("Sec") {
        let seconds = value::seconds(text).ok_or("a time is wanted, like 30 or 1min")?;
        i64::try_from(seconds).unwrap_or(i64::MAX)
    } else {
        value::number(text).ok_or("a number is wanted")?
    };
    let number = if row.what == What::Backlog {
        number.min(i64::from(most))
    } else {
        number
    };
    Ok((number >= i64::from(least)).then(|| number.to_string()))
}

/// A mark, or a type of service by number or by name: netinet/ip.h.
fn bits(text: &str) -> Result<Option<String>, Wrong> {
    let number = match text {
        "low-delay" => 16,
        "throughput" => 8,
        "reliability" => 4,
        "low-cost" => 2,
        _ => value::number(text).ok_or("a number is wanted")?,
    };
    Ok((number >= 0).then(|| number.to_string()))
}

/// A number of bytes, with a unit where it comes out even.
fn shortest(bytes: u64) -> String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes % (1 << shift) == 0 {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_has_one_meaning() {
        let mut names = supported();
        names.extend(managers());
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for name in names {
            assert!(find(name).is_some(), "{name}");
        }
        assert!(find("").is_none() && find("listenstream").is_none());
        assert_eq!(meant("listenstream"), Some("ListenStream"));
        assert_eq!(meant("SocketMod"), Some("SocketMode"));
        assert_eq!(meant("Colour"), None);
    }

    #[test]
    fn values_become_those_of_options() {
        let row = |key| match find(key) {
            Some(Directive::Option(_, row)) => row,
            _ => panic!("{key} is no option"),
        };
        for (key, text, want) in [
            ("KeepAlive", "Yes", Some("yes")),
            ("KeepAlive", "no", None),
            ("AcceptFileDescriptors", "no", Some("no")),
            ("AcceptFileDescriptors", "yes", None),
            ("BindIPv6Only", "both", Some("no")),
            ("BindIPv6Only", "yes", Some("yes")),
            ("BindIPv6Only", "default", Some("kernel")),
            ("Timestamping", "usec", Some("us")),
            ("Timestamping", "off", None),
            ("Timestamping", "yes", Some("ns")),
            ("KeepAliveTimeSec", "2min", Some("120")),
            ("KeepAliveTimeSec", "0", None),
            ("KeepAliveProbes", "0x10", Some("16")),
            ("Priority", "-1", None),
            ("Priority", "0", Some("0")),
            ("Backlog", "4294967295", Some("2147483647")),
            ("IPTOS", "low-delay", Some("16")),
            ("Mark", "-1", None),
            ("ReceiveBuffer", "8388608", Some("8M")),
            ("ReceiveBuffer", "1.5K", Some("1536")),
            ("ReceiveBuffer", "0", None),
            ("SendBuffer", "2147483647", Some("1073741823")),
            ("SocketMode", "660", Some("0660")),
            ("MessageQueueMessageSize", "4096", Some("4096")),
        ] {
            let got = translate(row(key), text);
            assert_eq!(got, Ok(want.map(str::to_owned)), "{key}={text}");
        }
        for (key, text) in [
            ("KeepAlive", "maybe"),
            ("BindIPv6Only", "v6"),
            ("Timestamping", "ms"),
            ("KeepAliveProbes", "128"),
            ("IPTOS", "256"),
            ("IPTTL", "256"),
            ("ReceiveBuffer", "4G"),
            ("SocketMode", "0o660"),
            ("SocketMode", "rw"),
            ("BindToDevice", "a-name-that-is-too-long"),
            ("MessageQueueMessageSize", "4K"),
            ("Backlog", "many"),
        ] {
            assert!(translate(row(key), text).is_err(), "{key}={text}");
        }
    }
}
