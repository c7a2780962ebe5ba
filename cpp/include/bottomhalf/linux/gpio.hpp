// GpioChip: the numbered pins of a machine, as boards have them for buttons and lamps (Linux: <linux/gpio.h>).
//
// A module requests a pin, reads or drives it, and takes its interrupt. Whoever plays the world outside sets what an
// input reads; a change that a handler asked for by IRQF_TRIGGER_* raises the pin's interrupt line. A level is such a
// change, too: it interrupts once, when it is reached.
//
// Thread safety: every member may be called from any context but where it says otherwise. Fields: L: under lock_.
#pragma once

#include <vector>

#include "bottomhalf/machine/machine.hpp"

namespace bottomhalf::linux_api {

class GpioChip {
public:
    static constexpr unsigned kPins = 1024;
    static constexpr int kFirstIrq = 1024;  // the line of pin 0

    struct Pin {
        const char* label = nullptr;  // as it was requested, for as long as the machine lives; null: it is not
        const void* owner = nullptr;  // an address in the code that requested it
        bool output = false;
        bool level = false;  // what an output is driven to, what an input reads
    };

    explicit GpioChip(Domain& domain) : domain_(domain) {}
    static GpioChip& of(Domain& domain);
    static bool has(unsigned pin) noexcept { return pin < kPins; }
    // Throws InvalidArgument when the machine has no such pin. CONTEXT: any.
    static unsigned check(long long pin);
    static int irq_of(unsigned pin) noexcept { return kFirstIrq + static_cast<int>(pin); }

    Pin look(unsigned pin) const;
    // The world sets what an input reads; also of a pin that nobody has requested yet. Handlers of an interrupt that
    // this raises run on that CPU before it returns, as with IrqLine::fire(). Throws MisuseError("gpio-output").
    void drive(unsigned pin, bool level, unsigned cpu);

    // The module's side. RETURNS: 0, or a negative error number as Linux's functions.
    int request(unsigned pin, const char* label, const void* owner);
    bool release(unsigned pin);  // false: it was not requested
    int make_input(unsigned pin);
    int make_output(unsigned pin, bool level);
    void set(unsigned pin, bool level);  // of an output; an input reads on what the world sets
    // Those that are requested.
    std::vector<unsigned> requested() const;

private:
    Domain& domain_;
    mutable RawLock lock_;
    std::vector<Pin> pins_ = std::vector<Pin>(kPins);  // L
};

}  // namespace bottomhalf::linux_api
