#include "bottomhalf/linux/parameters.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

namespace bottomhalf::modules {

namespace {

// As <linux/moduleparam.h> lays them out.
enum : std::uint32_t { kText = 1, kParameter = 2, kParameterText = 3 };
struct CustomParameter;
struct Record {
    std::uint32_t kind;
    std::uint32_t permissions;
    const char* name;
    const char* text;
    void* address;
    std::uint64_t size;
    std::uint32_t most, padding;
    std::uint32_t* count;
    const CustomParameter* custom;
};
struct CustomOperations {
    unsigned flags;
    int (*set)(const char*, const CustomParameter*);
    int (*get)(char*, const CustomParameter*);
    void (*free)(void*);
};
struct CustomParameter {
    const char* name;
    const CustomOperations* operations;
    std::uint16_t permissions;
    void* argument;
};
struct Table {
    const Record* const* begin;
    const Record* const* end;
    struct {
        char name[56];
        int state;
        int references;
    }* module;
};

Table table_of(const ModuleImage& image) noexcept {
    Table table{};
    if (const auto fill = image.exported_as<void (*)(Table*)>("bh_linux_module_table"); fill != nullptr) fill(&table);
    return table;
}

// Linux takes '-' and '_' in names for the same.
bool same_name(const std::string& given, const char* name) noexcept {
    return given.size() == std::strlen(name) && std::equal(given.begin(), given.end(), name, [](char a, char b) {
               return (a == '-' ? '_' : a) == (b == '-' ? '_' : b);
           });
}

constexpr std::size_t kLongestString = 1024;  // Linux: of a charp
constexpr std::size_t kLongestValue = 4096;   // a page, which is what a getter may fill

// The rules of kstrtol and its kin: an optional sign, a prefix for the base, digits, an optional newline.
std::optional<int> to_number(std::string_view text, bool is_signed, std::uint64_t& magnitude, bool& negative) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    negative = is_signed && text.starts_with('-');
    if (text.starts_with('+') || negative) text.remove_prefix(1);
    int base = 10;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text[0] == '0') {
        base = 8;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
    if (error == std::errc::result_out_of_range) return ERANGE;
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return EINVAL;
    return std::nullopt;
}

template <class T>
int set_number(const std::string& text, void* address) {
    std::uint64_t magnitude = 0;
    bool negative = false;
    if (const auto error = to_number(text, std::numeric_limits<T>::is_signed, magnitude, negative)) return *error;
    const std::uint64_t most = static_cast<std::uint64_t>(std::numeric_limits<T>::max()) + (negative ? 1 : 0);
    if (magnitude > most) return ERANGE;
    const T value = static_cast<T>(negative ? 0 - magnitude : magnitude);
    std::memcpy(address, &value, sizeof value);
    return 0;
}

// kstrtobool: the first letter decides, of "on" and "off" the second.
int set_bool(const std::string& text, void* address, bool inverted) {
    bool value = false;
    const char first = text.empty() ? '\0' : text[0], second = text.size() < 2 ? '\0' : text[1];
    if (std::strchr("yYtT1", first) != nullptr && first != '\0')
        value = true;
    else if ((first == 'o' || first == 'O') && (second == 'n' || second == 'N'))
        value = true;
    else if ((first == '\0' || std::strchr("nNfF0", first) == nullptr) &&
             !((first == 'o' || first == 'O') && (second == 'f' || second == 'F')))
        return EINVAL;
    *static_cast<bool*>(address) = value != inverted;
    return 0;
}

// The strings live as long as the process: a module may have handed them on, and Linux frees them with it.
int set_string(const std::string& text, void* address) {
    if (text.size() > kLongestString) return ENOSPC;
    char* const copy = strdup(text.c_str());
    std::memcpy(address, &copy, sizeof copy);
    return 0;
}

int set_value(const std::string& type, const std::string& text, void* address) {
    if (type == "bool" || type == "invbool") return set_bool(text, address, type == "invbool");
    if (type == "charp") return set_string(text, address);
    if (type == "byte") return set_number<unsigned char>(text, address);
    if (type == "short") return set_number<short>(text, address);
    if (type == "ushort") return set_number<unsigned short>(text, address);
    if (type == "int") return set_number<int>(text, address);
    if (type == "uint" || type == "hexint") return set_number<unsigned>(text, address);
    if (type == "long") return set_number<long>(text, address);
    if (type == "ulong") return set_number<unsigned long>(text, address);
    if (type == "ullong") return set_number<unsigned long long>(text, address);
    return EINVAL;
}

int set_array(const Record& record, const std::string& text) {
    std::uint32_t n = 0;
    for (std::size_t begin = 0;; ++n) {
        const std::size_t comma = text.find(',', begin);
        if (n == record.most) return EINVAL;
        if (const int error =
                set_value(record.text, text.substr(begin, comma - begin), static_cast<char*>(record.address) + n * record.size))
            return error;
        if (comma == std::string::npos) break;
        begin = comma + 1;
    }
    if (record.count != nullptr) *record.count = n + 1;
    return 0;
}

int set_parameter(const Record& record, const std::string& text) {
    if (record.custom != nullptr)
        return record.custom->operations->set == nullptr
                   ? EPERM
                   : -record.custom->operations->set(text.c_str(), record.custom);
    if (record.most != 0) return set_array(record, text);
    if (std::strcmp(record.text, "string") != 0) return set_value(record.text, text, record.address);
    if (text.size() + 1 > record.size) return ENOSPC;
    std::memcpy(record.address, text.c_str(), text.size() + 1);
    return 0;
}

template <class T>
std::string number(const void* address) {
    T value;
    std::memcpy(&value, address, sizeof value);
    return std::to_string(value);
}

std::string value_at(const std::string& type, const void* address) {
    if (type == "bool" || type == "invbool") return (*static_cast<const bool*>(address) != (type == "invbool")) ? "Y" : "N";
    if (type == "charp") {
        const char* text = nullptr;
        std::memcpy(&text, address, sizeof text);
        return text == nullptr ? "(null)" : text;
    }
    if (type == "byte") return number<unsigned char>(address);
    if (type == "short") return number<short>(address);
    if (type == "ushort") return number<unsigned short>(address);
    if (type == "int") return number<int>(address);
    if (type == "uint" || type == "hexint") return number<unsigned>(address);
    if (type == "long") return number<long>(address);
    if (type == "ulong") return number<unsigned long>(address);
    if (type == "ullong") return number<unsigned long long>(address);
    return "";
}

std::string value_of(const Record& record) {
    if (record.custom != nullptr) {
        if (record.custom->operations->get == nullptr) return "";
        std::string buffer(kLongestValue, '\0');
        const int size = record.custom->operations->get(buffer.data(), record.custom);
        buffer.resize(static_cast<std::size_t>(std::clamp(size, 0, static_cast<int>(kLongestValue))));
        if (buffer.ends_with('\n')) buffer.pop_back();
        return buffer;
    }
    if (std::strcmp(record.text, "string") == 0)
        return {static_cast<const char*>(record.address),
                strnlen(static_cast<const char*>(record.address), static_cast<std::size_t>(record.size))};
    if (record.most == 0) return value_at(record.text, record.address);
    std::string all;
    const std::uint32_t n = record.count != nullptr ? std::min(*record.count, record.most) : record.most;
    for (std::uint32_t i = 0; i < n; ++i)
        all += (i == 0 ? "" : ",") + value_at(record.text, static_cast<char*>(record.address) + i * record.size);
    return all;
}

template <class F>
void for_each(const ModuleImage& image, std::uint32_t kind, F&& fn) {
    const Table table = table_of(image);
    for (const Record* const* at = table.begin; at != table.end; ++at)
        if ((*at)->kind == kind) fn(**at);
}

}  // namespace

void set_parameters(Domain& domain, const ModuleImage& image, const ParameterValues& values) {
    for (const auto& [name, text] : values) {
        const Record* found = nullptr;
        for_each(image, kParameter, [&, &given = name](const Record& record) {
            if (same_name(given, record.name)) found = &record;
        });
        if (found == nullptr) {
            domain.log.write(domain.now(), LogLevel::warning,
                             image.name() + ": unknown parameter '" + name + "' ignored");
            continue;
        }
        const int error = set_parameter(*found, text);
        if (error == 0) continue;
        const std::string what = image.name() + ": `" + text + "' " + (error == ENOSPC ? "too large" : "invalid") +
                                 " for parameter `" + name + "'";
        domain.log.write(domain.now(), LogLevel::err, what);
        throw ModuleError(error, what + " of type " + found->text);
    }
}

ParameterValues parameter_values(const ModuleImage& image) {
    ParameterValues values;
    for_each(image, kParameter, [&](const Record& record) { values.emplace_back(record.name, value_of(record)); });
    return values;
}

ParameterValues module_information(const ModuleImage& image) {
    ParameterValues values;
    for_each(image, kText, [&](const Record& record) { values.emplace_back(record.name, record.text); });
    return values;
}

int reference_count(const ModuleImage& image) noexcept {
    const Table table = table_of(image);
    return table.module == nullptr ? 0 : __atomic_load_n(&table.module->references, __ATOMIC_SEQ_CST);
}

}  // namespace bottomhalf::modules
