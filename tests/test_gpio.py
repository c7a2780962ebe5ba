"""Pins: buttons that are pressed and lamps that are seen from Python, by modules and without one."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from helpers import log_lines as text
from helpers import needs_compiler

import bottomhalf as bh

MODULES = Path(__file__).resolve().parent / "modules"


@needs_compiler
def test_a_button_and_a_lamp(m):
    """The top half runs before drive() returns; softirq and item follow; only the edge that was asked for counts."""
    lamp, button = m.gpio(4), m.gpio(17)
    assert (lamp.label, lamp.direction) == (None, "in")
    with m.insmod(MODULES / "button.c") as module:
        assert (lamp.label, lamp.direction, lamp.value) == ("lamp", "out", 0)
        assert (button.label, button.direction, button.value) == ("button", "in", 0)
        button.drive(True)
        assert (lamp.value, button.value) == (1, 1)
        button.drive(True)  # no change
        button.drive(False)  # the other edge
        assert lamp.value == 1
        m.run()
        button.drive(True)
        assert lamp.value == 0
        m.run()
        assert text(m) == [
            "button: press 1, in_softirq=1",
            "button: the lamp is on, in_task=1",
            "button: press 2, in_softirq=1",
            "button: the lamp is off, in_task=1",
        ]
        assert module.params["presses"] == "2"
    assert (lamp.label, button.label) == (None, None)


@needs_compiler
def test_pins_are_the_modules(m):
    """One that is in use is refused, with Linux's number."""
    with m.insmod(MODULES / "button.c"):
        with pytest.raises(OSError) as refused:
            m.insmod(MODULES / "button.c", name="second", lamp=5)
        assert refused.value.errno == errno.EBUSY
        assert m.gpio(5).label is None  # its init gave it back
        with m.insmod(MODULES / "button.c", name="third", lamp=5, button=18):
            m.gpio(18).drive(1)
            assert (m.gpio(4).value, m.gpio(5).value) == (0, 1)


@needs_compiler
def test_a_pin_that_is_never_freed(m):
    """It is named when the module is unloaded, and free for the next."""
    for _ in range(2):
        module = m.insmod(MODULES / "careless.c", what="gpio")
        module.rmmod()
        assert module.leftovers == ["gpio 3 ('careless') still requested; its exit misses gpio_free()"]
    assert m.gpio(3).label is None


def test_triggers(m):
    """Handlers in Python are asked by the same flags; a level interrupts once, when it is reached."""
    pin = m.gpio(8)
    line = m.irq(pin.irq)
    for flags, interrupts in (
        (bh.IRQF.TRIGGER_RISING, [1]),
        (bh.IRQF.TRIGGER_FALLING, [0]),
        (bh.IRQF.TRIGGER_RISING | bh.IRQF.TRIGGER_FALLING, [1, 0]),
        (bh.IRQF.TRIGGER_HIGH, [1]),
        (bh.IRQF.TRIGGER_LOW, [0]),
        (0, []),
    ):
        seen = []

        def handler(line, seen=seen):
            assert bh.in_hardirq()
            seen.append(pin.value)
            return bh.IrqReturn.HANDLED

        action = line.request(handler, flags=flags)
        for level in (1, 1, 0, 0):
            pin.drive(level)
        assert seen == interrupts, flags
        action.free()


def test_drive_names_the_cpu(m):
    """Handlers run there; with interrupts off it waits until they are on."""
    pin, cpus = m.gpio(9), []

    def handler(line):
        cpus.append(bh.smp_processor_id())
        return bh.IrqReturn.HANDLED

    m.irq(pin.irq).request(handler, flags=bh.IRQF.TRIGGER_RISING)
    for cpu in (0, 1):
        pin.drive(1, cpu=cpu)
        pin.drive(0)
    assert cpus == [0, 1]
    with m.irqs_off():
        pin.drive(1)
        assert len(cpus) == 2
    assert len(cpus) == 3
    with pytest.raises(ValueError, match="cpu"):
        pin.drive(0, cpu=2)


@needs_compiler
def test_mistakes(boot):
    """Each names the way out."""
    m = boot(cpus=2)
    for pin in (-1, 1024):
        with pytest.raises(ValueError, match="a machine has the pins 0 to 1023"):
            m.gpio(pin)
    with m.insmod(MODULES / "button.c"), pytest.raises(bh.MisuseError, match=r"4 \('lamp'\) is an output"):
        m.gpio(4).drive(1)
    with pytest.raises(TypeError):
        m.gpio("4")
    with pytest.raises(TypeError):
        m.gpio(4).drive("high")
    assert repr(m.gpio(4)) == (
        f"<bottomhalf.GpioPin 4 of machine '{m.name}', not requested: input, 0; drive() sets what it reads>"
    )
    pin = m.gpio(4)
    m.halt()
    assert "which is halted" in repr(pin)
    with pytest.raises(bh.MachineHalted):
        pin.drive(1)
    with pytest.raises(bh.MachineHalted):
        m.gpio(4)
