//! Who has which line of memory: caches that keep a line at one writer or at many readers (MESI),
//! and how often a line has to cross from one to another.
//!
//! Caches never fill up here, and a line that no cache has comes from memory for nothing: what is
//! counted is what cores do to each other. The protocol is that of Papamarcos and Patel, "A
//! low-overhead coherence solution for multiprocessors with private cache memories" (1984).

/// A line of memory, by number.
pub type Line = usize;

/// Cores of one socket; a machine has as many sockets as it needs.
pub const SOCKET: usize = 32;
/// The most cores there can be.
pub const CORES: usize = 64;

/// What an access has met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// The line was there, with the right to do this.
    Hit,
    /// No core had it.
    Memory,
    /// The line, or the right to write it, came from another core of this socket.
    Near,
    /// The same, from another socket.
    Far,
}

/// The caches of all cores.
#[derive(Default, Debug)]
pub struct Caches {
    /// Of each line the cores that have it, a bit each: one may write, several only read.
    holders: Vec<u64>,
}

impl Caches {
    /// A line that nobody has used yet.
    pub fn line(&mut self) -> Line {
        self.holders.push(0);
        self.holders.len() - 1
    }

    /// A core reads a line.
    pub fn read(&mut self, core: usize, line: Line) -> Met {
        let (me, holders) = (1 << core, &mut self.holders[line]);
        let met = match *holders {
            0 => Met::Memory,
            some if some & me != 0 => Met::Hit,
            // Any of them can answer, so the nearest does.
            some if some & socket_of(core) != 0 => Met::Near,
            _ => Met::Far,
        };
        *holders |= me;
        met
    }

    /// A core writes a line, or reads and writes it in one instruction.
    pub fn write(&mut self, core: usize, line: Line) -> Met {
        let (me, holders) = (1 << core, &mut self.holders[line]);
        let others = *holders & !me;
        let met = match *holders {
            0 => Met::Memory,
            _ if others == 0 => Met::Hit,
            // All of them have to give it up, the farthest too.
            _ if others & !socket_of(core) != 0 => Met::Far,
            _ => Met::Near,
        };
        *holders = me;
        met
    }
}

/// The cores of a core's socket, a bit each.
fn socket_of(core: usize) -> u64 {
    ((1 << SOCKET) - 1) << (core / SOCKET * SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfers(met: impl IntoIterator<Item = Met>) -> usize {
        met.into_iter().filter(|met| matches!(met, Met::Near | Met::Far)).count()
    }

    /// 100 increments of one counter by so many cores in turn.
    fn increments(cores: usize) -> usize {
        let mut caches = Caches::default();
        let counter = caches.line();
        transfers((0..100).map(|turn| caches.write(turn % cores, counter)))
    }

    #[test]
    fn a_counter_of_one_core_stays_with_it() {
        assert_eq!(increments(1), 0);
    }

    #[test]
    fn a_shared_counter_crosses_at_each_increment() {
        // But for the first, which is nobody's.
        assert_eq!((increments(2), increments(64)), (99, 99));
    }

    #[test]
    fn what_is_only_read_comes_once_to_each_core() {
        let mut caches = Caches::default();
        let line = caches.line();
        assert_eq!(transfers((0..1000).map(|turn| caches.read(turn % 4, line))), 3);
    }

    #[test]
    fn one_writer_costs_each_reader_a_transfer_and_itself_one() {
        let mut caches = Caches::default();
        let line = caches.line();
        for core in 0..4 {
            caches.read(core, line);
        }
        assert_eq!(caches.write(0, line), Met::Near);
        assert_eq!(caches.write(0, line), Met::Hit);
        assert_eq!(transfers((1..4).map(|core| caches.read(core, line))), 3);
        assert_eq!(caches.write(0, line), Met::Near);
    }

    #[test]
    fn a_reader_is_answered_from_near_and_a_writer_waits_for_the_farthest() {
        let mut caches = Caches::default();
        let line = caches.line();
        assert_eq!(caches.write(0, line), Met::Memory);
        assert_eq!(caches.read(SOCKET, line), Met::Far);
        assert_eq!(caches.read(SOCKET + 1, line), Met::Near);
        assert_eq!(caches.write(1, line), Met::Far);
    }

    #[test]
    fn lines_of_their_own_never_cross() {
        let mut caches = Caches::default();
        let lines: Vec<_> = (0..CORES).map(|_| caches.line()).collect();
        let turns = (0..1000).map(|turn| caches.write(turn % CORES, lines[turn % CORES]));
        assert_eq!(transfers(turns), 0);
    }
}
