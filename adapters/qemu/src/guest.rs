//! The 512-byte guest: a boot sector with three dials, so that a virtual machine costs 20 MiB and can be given a load.
//!
//! It sleeps in `hlt`, and takes one byte at a time from its first serial port:
//!
//! | byte | dial |
//! |---|---|
//! | `0..=16` | busy for so many sixteenths of the time |
//! | `0x40 \| w` | the window of memory that is written: `w` MiB from the first MiB on, 0 to 63 |
//! | `0x80 \| d` | pages written per timer tick (18.2 a second): 2 to the power `d`, `d` 1 to 15; 0 = none |
//!
//! At [`TICKS`] it counts what it has passed through, so that somebody outside sees that it lives.
//! The code is real mode with one flat data segment (`fs`), which stays 4 GiB large after a visit to protected mode.
//!
//! [`Guest::Linux`] boots a kernel of the host's choice instead.

use std::path::PathBuf;

/// What a machine boots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Guest {
    /// The boot sector of this module.
    #[default]
    Sector,
    /// A Linux kernel with an initial file system that loads `virtio_balloon`: its memory and processors can be changed while
    /// it runs. It must put memory online by itself (`auto_online_blocks`) and processors as they appear.
    Linux {
        /// The kernel.
        kernel: PathBuf,
        /// The initial file system.
        initrd: PathBuf,
    },
}

/// Where in guest memory the guest counts its rounds (32 bits).
pub const TICKS: u32 = 0x7e00;

const WORK: u16 = 0x7e08;
const LOAD: u16 = 0x7e10;
const DIRTY: u16 = 0x7e11;
const WINDOW: u16 = 0x7e12;
const SEEN: u16 = 0x7e14;
const CURSOR: u16 = 0x7e18;
/// The BIOS counts timer ticks here.
const CLOCK: u16 = 0x046c;
const ORIGIN: u16 = 0x7c00;
const FIRST_MIB: u32 = 0x10_0000;

/// Dial: busy for `sixteenths` of the time.
pub const fn load(sixteenths: u8) -> u8 {
    if sixteenths > 16 { 16 } else { sixteenths }
}

/// Dial: the window that is written, in MiB.
pub const fn window(mib: u8) -> u8 {
    0x40 | if mib > 63 { 63 } else { mib }
}

/// Dial: 2 to the power `exponent` pages per tick are written, none for 0.
pub const fn dirty(exponent: u8) -> u8 {
    0x80 | if exponent > 15 { 15 } else { exponent }
}

/// Bytes with named places and jumps between them.
#[derive(Debug, Default)]
struct Code {
    bytes: Vec<u8>,
    places: Vec<(&'static str, usize)>,
    // Position of the operand, its width in bytes, the place it goes to.
    jumps: Vec<(usize, u8, &'static str)>,
}

impl Code {
    /// Opcode bytes as they are.
    fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Opcode bytes followed by a 16-bit address or number.
    fn op16(&mut self, bytes: &[u8], operand: u16) -> &mut Self {
        self.op(bytes).op(&operand.to_le_bytes())
    }

    /// Opcode bytes followed by a 32-bit number.
    fn op32(&mut self, bytes: &[u8], operand: u32) -> &mut Self {
        self.op(bytes).op(&operand.to_le_bytes())
    }

    fn place(&mut self, name: &'static str) -> &mut Self {
        self.places.push((name, self.bytes.len()));
        self
    }

    /// A short jump with this opcode.
    fn jump(&mut self, opcode: u8, to: &'static str) -> &mut Self {
        self.op(&[opcode]);
        self.jumps.push((self.bytes.len(), 1, to));
        self.op(&[0])
    }

    /// `jmp` over any distance.
    fn far(&mut self, to: &'static str) -> &mut Self {
        self.op(&[0xe9]);
        self.jumps.push((self.bytes.len(), 2, to));
        self.op(&[0, 0])
    }

    fn finish(mut self) -> Option<[u8; 512]> {
        let place = |name: &str| self.places.iter().find(|(it, _)| *it == name).map(|&(_, at)| at);
        for &(at, width, to) in &self.jumps {
            let distance = i64::try_from(place(to)?).ok()? - i64::try_from(at + usize::from(width)).ok()?;
            match width {
                1 => self.bytes[at] = i8::try_from(distance).ok()?.to_le_bytes()[0],
                _ => self.bytes[at..at + 2].copy_from_slice(&i16::try_from(distance).ok()?.to_le_bytes()),
            }
        }
        let mut sector = [0; 512];
        sector.get_mut(..self.bytes.len().min(510))?.copy_from_slice(self.bytes.get(..)?);
        sector[510..].copy_from_slice(&[0x55, 0xaa]); // what the BIOS looks for
        Some(sector)
    }
}

const JZ: u8 = 0x74;
const JNZ: u8 = 0x75;
const JB: u8 = 0x72;
const JS: u8 = 0x78;
const JMP: u8 = 0xeb;

/// The boot sector.
///
/// # Panics
/// Never: the code is the same every time, and a test builds it.
pub fn boot_sector() -> [u8; 512] {
    let mut code = Code::default();
    set_up(&mut code);
    take_dial(&mut code);
    write_pages(&mut code);
    idle_or_work(&mut code);
    // The descriptor table: an empty entry, then flat data of 4 GiB; and where it is.
    let table = ORIGIN + u16::try_from(code.bytes.len()).expect("less than a sector");
    code.op(&[0; 8]).op(&[0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0]);
    code.place("gdtr").op16(&[], 15).op32(&[], u32::from(table));
    // `lgdt` holds the address of the last six bytes, known only now.
    let gdtr = table + 16;
    let at = code.places.iter().find(|(name, _)| *name == "lgdt").map_or(0, |&(_, at)| at + 3);
    code.bytes[at..at + 2].copy_from_slice(&gdtr.to_le_bytes());
    code.finish().expect("the code fits into a sector and its jumps reach")
}

fn set_up(code: &mut Code) {
    code.op(&[0xfa, 0x31, 0xc0]) // cli; xor ax, ax
        .op(&[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0]) // ds, es, ss = 0
        .op16(&[0xbc], ORIGIN) // sp below the code
        .op(&[0xe4, 0x92, 0x0c, 0x02, 0xe6, 0x92]) // address line 20 on
        .op(&[0x66, 0x31, 0xc0, 0xfc]) // eax = 0; cld
        .op16(&[0xbf], 0x7e00) // di = counters
        .op16(&[0xb9], 8)
        .op(&[0xf3, 0x66, 0xab]) // rep stosd: eight words of zero
        .op16(&[0x66, 0xc7, 0x06], CURSOR)
        .op32(&[], FIRST_MIB) // cursor = first MiB
        .place("lgdt")
        .op16(&[0x0f, 0x01, 0x16], 0) // lgdt, address filled in later
        .op(&[0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0]) // cr0 |= 1
        .op16(&[0xbb], 8)
        .op(&[0x8e, 0xe3]) // fs = flat data
        .op(&[0x24, 0xfe, 0x0f, 0x22, 0xc0]) // cr0 &= !1; fs keeps its limit
        .op(&[0x31, 0xdb, 0x8e, 0xe3, 0xfb]); // fs base = 0; sti
}

fn take_dial(code: &mut Code) {
    code.place("main")
        .op16(&[0x66, 0xff, 0x06], 0x7e00) // one more round
        .op16(&[0xba], 0x3fd)
        .op(&[0xec, 0xa8, 0x01]) // a byte waiting?
        .jump(JZ, "dials")
        .op16(&[0xba], 0x3f8)
        .op(&[0xec, 0x84, 0xc0]) // al = byte
        .jump(JS, "set-dirty")
        .op(&[0xa8, 0x40])
        .jump(JNZ, "set-window")
        .op16(&[0xa2], LOAD)
        .jump(JMP, "dials")
        .place("set-dirty")
        .op(&[0x24, 0x0f])
        .op16(&[0xa2], DIRTY)
        .jump(JMP, "dials")
        .place("set-window")
        .op(&[0x24, 0x3f])
        .op16(&[0xa2], WINDOW)
        .place("dials");
}

fn write_pages(code: &mut Code) {
    code.op16(&[0x66, 0xa1], CLOCK) // eax = tick
        .op16(&[0x66, 0x3b, 0x06], SEEN)
        .jump(JZ, "idle") // once a tick
        .op16(&[0x66, 0xa3], SEEN)
        .op16(&[0x8a, 0x0e], DIRTY)
        .op(&[0x84, 0xc9])
        .jump(JZ, "idle")
        .op32(&[0x66, 0xba], 1)
        .op(&[0x66, 0xd3, 0xe2]) // edx = pages
        .op16(&[0x66, 0x0f, 0xb6, 0x36], WINDOW)
        .op(&[0x66, 0xc1, 0xe6, 20])
        .op32(&[0x66, 0x81, 0xc6], FIRST_MIB) // esi = end of the window
        .op16(&[0x66, 0x8b, 0x3e], CURSOR)
        .place("page")
        .op(&[0x66, 0x39, 0xf7])
        .jump(JB, "inside")
        .op32(&[0x66, 0xbf], FIRST_MIB)
        .place("inside")
        .op(&[0x64, 0x67, 0x66, 0x89, 0x07]) // fs:[edi] = eax
        .op32(&[0x66, 0x81, 0xc7], 4096)
        .op(&[0x66, 0x4a])
        .jump(JNZ, "page")
        .op16(&[0x66, 0x89, 0x3e], CURSOR);
}

fn idle_or_work(code: &mut Code) {
    code.place("idle")
        .op16(&[0xa0], CLOCK)
        .op(&[0x24, 0x0f]) // which sixteenth
        .op16(&[0x3a, 0x06], LOAD)
        .jump(JB, "work")
        .op(&[0xf4]) // hlt until the next tick
        .far("main")
        .place("work")
        .op16(&[0x66, 0x8b, 0x1e], CLOCK)
        .place("spin")
        .op16(&[0x66, 0xff, 0x06], WORK)
        .op16(&[0x66, 0x39, 0x1e], CLOCK)
        .jump(JZ, "spin")
        .far("main");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_one_boot_sector() {
        let sector = boot_sector();
        assert_eq!(sector[510..], [0x55, 0xaa]);
        assert!(sector[400..510].iter().all(|&byte| byte == 0), "there is room left");
        assert_eq!(sector[0], 0xfa, "begins with cli");
    }

    #[test]
    fn dials_never_speak_another_dials_language() {
        for value in 0..=u8::MAX {
            assert!(load(value) < 0x40);
            assert_eq!(window(value) & 0xc0, 0x40);
            assert_eq!(dirty(value) & 0x80, 0x80);
        }
    }
}
