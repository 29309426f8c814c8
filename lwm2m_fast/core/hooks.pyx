# What the shell sets in core/, and what core/ asks it: the clocks, what it wants to hear, who decides.
#
# Knows no message: it keeps what it is given where the rest of core/ looks for it (core/state).

from libc.stdint cimport int64_t


cdef class Hooks:
    cdef inline void set_time(self, double now) noexcept:
        # A microsecond more: next_timer()'s moments must come back as the milliseconds they were.
        self.state.now = <int64_t>(now * 1000 + 0.001)
        self.state.entered += 1

    def set_wall_clock(self, double now, double wall):
        """Both clocks at one moment; now and then, as the system's clock may be set."""
        self.set_time(now)
        self.state.wall_offset = <int64_t>(wall * 1000) - self.state.now

    @property
    def tells(self):
        """Whether events are wanted; without listeners they are only counted."""
        return self.state.tells

    @tells.setter
    def tells(self, bint value):
        self.state.tells = value

    @property
    def store_works(self):
        """False: what would need the store is refused at once (5.03)."""
        return self.state.store_works

    @store_works.setter
    def store_works(self, bint value):
        self.state.store_works = value

    @property
    def wants_reports(self):
        """Whether notifications and Sends are listed in Output.reports; else only counted."""
        return self.state.wants_reports

    @wants_reports.setter
    def wants_reports(self, bint value):
        self.state.wants_reports = value

    @property
    def hears_registers(self):
        """Whether every full Register is in Output.contacts, watched or not."""
        return self.state.hears_registers

    @hears_registers.setter
    def hears_registers(self, bint value):
        self.state.hears_registers = value

    @property
    def judge_send(self):
        """Who is asked about each Send before it is answered: a SendJudge (core/judge), or what is
        called as (slot, content format, payload) and returns the code to refuse with (0x80 to
        0xBF), else 0 or the (negative) number of the Send. None: every Send is taken, as 0.
        """
        return self.state.judge_send

    @judge_send.setter
    def judge_send(self, value):
        self.state.judge_send = value

    @property
    def where(self):
        """Called as (principal) for what is shown of a secure device: a dict with address, kind,
        identity, suite, cid, since and live, or None where it has no session. None: nobody knows."""
        return self.state.where

    @where.setter
    def where(self, value):
        self.state.where = value

    @property
    def judge_bootstrap(self):
        """Called as (endpoint, whether it is secure, other) for each POST /bs and GET /bspack before
        it is answered: 0, or the code to refuse with. `other` is None where the asker may speak for
        that name; else it is refused in any case, and this is the name that it may speak for, empty:
        none, or several. None: every device may bootstrap that may speak for its name."""
        return self.state.judge_bootstrap

    @judge_bootstrap.setter
    def judge_bootstrap(self, value):
        self.state.judge_bootstrap = value

    @property
    def make_pack(self):
        """Called as (endpoint, Accept or -1, whether it asks for the first block) for GET /bspack:
        code, content format, payload."""
        return self.state.make_pack

    @make_pack.setter
    def make_pack(self, value):
        self.state.make_pack = value
