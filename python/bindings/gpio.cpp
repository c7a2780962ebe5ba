// bottomhalf.GpioPin: a machine's pins, from the world's side.
#include "bottomhalf/linux/gpio.hpp"

#include "arguments.hpp"
#include "interrupt.hpp"

namespace bh_python {

namespace {

using bottomhalf::linux_api::GpioChip;

struct PinObject : PartOfMachine {
    unsigned pin = 0;

    GpioChip& chip() const { return GpioChip::of(machine().domain()); }
    GpioChip::Pin look() const { return chip().look(pin); }
};

void drive(const PinObject& self, bool level, const py::object& cpu) {
    GpioChip& chip = self.chip();
    fire_from_outside(self.machine(), cpu, [&chip, level, pin = self.pin](unsigned c) { chip.drive(pin, level, c); });
}

std::string repr_of_pin(const PinObject& p) {
    const std::string begin = "<bottomhalf.GpioPin " + std::to_string(p.pin) + " of machine '" + p.machine_name + "'";
    Machine* m = p.owner.machine();
    if (m == nullptr || m->halted()) return begin + ", which is halted>";
    const GpioChip::Pin seen = p.look();
    const std::string label = seen.label != nullptr ? " '" + std::string(seen.label) + "'" : ", not requested";
    return begin + label + ": " + (seen.output ? "output, " : "input, ") + (seen.level ? "1" : "0") +
           (seen.output ? ">" : "; drive() sets what it reads>");
}

}  // namespace

py::object gpio_pin_object(Machine& machine, long long pin) {
    auto object = std::make_unique<PinObject>();
    object->pin = GpioChip::check(pin);
    object->belong_to(machine, "this pin");
    return py::cast(std::move(object));
}

void register_gpio(py::module_& m) {
    py::class_<PinObject>(
        m, "GpioPin",
        "A numbered pin of a machine, as kernel modules reach it by <linux/gpio.h>: m.gpio(n). This side of it is the\n"
        "world's: it presses the button and sees the lamp. It does not keep the machine alive.")
        .def(py::init([](const py::args&, const py::kwargs&) -> std::unique_ptr<PinObject> {
            throw py::type_error("bottomhalf.GpioPin has no constructor: m.gpio(n) returns the pin");
        }))
        .def("drive", &drive, py::arg("level"), py::kw_only(), py::arg("cpu") = py::none(),
             "Set what an input reads. A change that a handler asked for (IRQF.TRIGGER_*) interrupts: the handlers run "
             "on\n"
             "that CPU (None: the caller's) before this returns, as with IrqLine.fire(); a level interrupts once, when "
             "it is\n"
             "reached. Raises MisuseError for an output, which the module drives. Any context.")
        .def_property_readonly(
            "value", [](const PinObject& p) { return p.look().level ? 1 : 0; },
            "1 or 0: what an input reads, or an output is driven to (Linux: gpio_get_value).")
        .def_property_readonly(
            "direction", [](const PinObject& p) { return p.look().output ? "out" : "in"; },
            "\"in\" or \"out\", as the module set it; \"in\" at first.")
        .def_property_readonly(
            "label",
            [](const PinObject& p) -> py::object {
                const char* label = p.look().label;
                return label != nullptr ? py::object(py::str(label)) : py::none();
            },
            "What the module requested it for, or None while it is not requested.")
        .def_property_readonly(
            "pin", [](const PinObject& p) { return p.pin; }, "The number of the pin.")
        .def_property_readonly(
            "irq", [](const PinObject& p) { return GpioChip::irq_of(p.pin); },
            "The number of its interrupt line (Linux: gpio_to_irq).")
        .def("__repr__", &repr_of_pin);
}

}  // namespace bh_python
