// <linux/gpio.h>, and the chip behind it.
#include "bottomhalf/linux/gpio.hpp"

#include <cerrno>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

GpioChip& GpioChip::of(Domain& domain) { return KernelSide::of(domain).part<GpioChip>(); }

unsigned GpioChip::check(long long pin) {
    if (pin < 0 || pin >= kPins)
        throw InvalidArgument("gpio pin " + std::to_string(pin) + ": a machine has the pins 0 to " +
                              std::to_string(kPins - 1));
    return static_cast<unsigned>(pin);
}

GpioChip::Pin GpioChip::look(unsigned pin) const {
    RawGuard guard(lock_);
    return pins_[pin];
}

void GpioChip::drive(unsigned pin, bool level, unsigned cpu) {
    {
        RawGuard guard(lock_);
        Pin& p = pins_[pin];
        if (p.output)
            throw MisuseError("gpio-output", "gpio pin " + std::to_string(pin) + " ('" +
                                                 (p.label != nullptr ? p.label : "?") +
                                                 "') is an output: what drives it is the module; read its value");
        if (p.level == level) return;
        p.level = level;
    }
    const unsigned wanted =
        level ? irqf::kTriggerRising | irqf::kTriggerHigh : irqf::kTriggerFalling | irqf::kTriggerLow;
    IrqLine& line = domain_.machine->irqs().line(irq_of(pin));
    for (const auto& action : line.actions())
        if ((action->flags() & wanted) != 0) {
            line.fire(cpu);
            return;
        }
}

int GpioChip::request(unsigned pin, const char* label, const void* owner) {
    if (!has(pin)) return -EINVAL;
    const char* const kept = KernelSide::of(domain_).kept_name(label != nullptr ? label : "?");
    RawGuard guard(lock_);
    Pin& p = pins_[pin];
    if (p.label != nullptr) return -EBUSY;
    p.label = kept;
    p.owner = owner;
    return 0;
}

bool GpioChip::release(unsigned pin) {
    if (!has(pin)) return false;
    RawGuard guard(lock_);
    Pin& p = pins_[pin];
    if (p.label == nullptr) return false;
    p = Pin{.level = p.level};
    return true;
}

int GpioChip::make_input(unsigned pin) {
    if (!has(pin)) return -EINVAL;
    RawGuard guard(lock_);
    pins_[pin].output = false;
    return 0;
}

int GpioChip::make_output(unsigned pin, bool level) {
    if (!has(pin)) return -EINVAL;
    if (!domain_.machine->irqs().line(irq_of(pin)).actions().empty()) return -EIO;
    RawGuard guard(lock_);
    pins_[pin].output = true;
    pins_[pin].level = level;
    return 0;
}

void GpioChip::set(unsigned pin, bool level) {
    RawGuard guard(lock_);
    if (pins_[pin].output) pins_[pin].level = level;
}

std::vector<unsigned> GpioChip::requested() const {
    std::vector<unsigned> found;
    RawGuard guard(lock_);
    for (unsigned pin = 0; pin < kPins; ++pin)
        if (pins_[pin].label != nullptr) found.push_back(pin);
    return found;
}

namespace {

GpioChip& chip() { return GpioChip::of(here()); }

bool is_pin(unsigned pin, const char* call) {
    if (GpioChip::has(pin)) return true;
    warn_once(here(), call, std::string(call) + ": invalid GPIO " + std::to_string(static_cast<int>(pin)));
    return false;
}

}  // namespace

extern "C" {

int bh_linux_gpio_request(unsigned pin, const char* label) {
    return is_pin(pin, "gpio_request") ? chip().request(pin, label, __builtin_return_address(0)) : -EINVAL;
}
void bh_linux_gpio_free(unsigned pin) {
    if (is_pin(pin, "gpio_free") && !chip().release(pin))
        warn(here(), "gpio_free", "GPIO " + std::to_string(pin) + " is not requested");
}
int bh_linux_gpio_direction_input(unsigned pin) {
    return is_pin(pin, "gpio_direction_input") ? chip().make_input(pin) : -EINVAL;
}
int bh_linux_gpio_direction_output(unsigned pin, int value) {
    if (!is_pin(pin, "gpio_direction_output")) return -EINVAL;
    const int result = chip().make_output(pin, value != 0);
    if (result == -EIO)
        log(here(), LogLevel::err,
            "gpio-" + std::to_string(pin) + ": gpio_direction_output: tried to set a GPIO tied to an IRQ as output");
    return result;
}
int bh_linux_gpio_get_value(unsigned pin) {
    if (!is_pin(pin, "gpio_get_value")) return -EINVAL;
    poll();
    return chip().look(pin).level ? 1 : 0;
}
void bh_linux_gpio_set_value(unsigned pin, int value) {
    if (is_pin(pin, "gpio_set_value")) chip().set(pin, value != 0);
}
// RETURNS: 0 an output, 1 an input.
int bh_linux_gpiod_get_direction(unsigned pin) {
    return is_pin(pin, "gpiod_get_direction") ? (chip().look(pin).output ? 0 : 1) : -EINVAL;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
