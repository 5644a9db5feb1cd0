#include "crayon/formats/internal/json.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

/// Walks over a text without building it: finds the first fault.
class Checker : public nlohmann::json_sax<Json> {
 public:
  explicit Checker(JsonKeys keys) : quoted_(keys == JsonKeys::Quoted) {}

  std::string fault;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    fault = quoted_ ? fmt::format("has the key {} twice", in_quotes(name)) : "has a key twice";
    return false;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fault = fmt::format("is not JSON at byte {}", position);
    return false;
  }

 private:
  bool enter() {
    keys_.emplace_back();
    if (keys_.size() <= kMaxJsonDepth) return true;
    fault = fmt::format("is nested deeper than {}", kMaxJsonDepth);
    return false;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  bool quoted_;
  std::vector<std::set<std::string>> keys_;
};

/// How many bytes follow a first byte, or -1 when it cannot be one.
int following_bytes(unsigned char first) {
  if (first < 0x80) return 0;
  if (first >= 0xc2 && first <= 0xdf) return 1;
  if (first >= 0xe0 && first <= 0xef) return 2;
  if (first >= 0xf0 && first <= 0xf4) return 3;
  return -1;
}

/// The second byte's range keeps overlong forms, surrogates and numbers above U+10FFFF out.
bool is_second(unsigned char first, unsigned char second) {
  if (first == 0xe0) return second >= 0xa0 && second <= 0xbf;
  if (first == 0xed) return second >= 0x80 && second <= 0x9f;
  if (first == 0xf0) return second >= 0x90 && second <= 0xbf;
  if (first == 0xf4) return second >= 0x80 && second <= 0x8f;
  return second >= 0x80 && second <= 0xbf;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const int more = following_bytes(first);
    if (more < 0 || i + static_cast<std::size_t>(more) >= text.size()) return false;
    if (more > 0 && !is_second(first, static_cast<unsigned char>(text[i + 1]))) return false;
    for (int k = 2; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]) & 0xc0) != 0x80) {
        return false;
      }
    }
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string json_fault(std::string_view text, JsonKeys keys) {
  if (!is_utf8(text)) return "is not UTF-8";
  Checker checker(keys);
  if (Json::sax_parse(text, &checker)) return "";
  return checker.fault.empty() ? "is not JSON" : checker.fault;
}

Json parse_json(std::string_view text, const std::string& file) {
  if (const std::string fault = json_fault(text); !fault.empty()) throw corrupt(file, "{}", fault);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string_view kind_name(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a text";
    case Json::value_t::boolean:
      return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return "a number";
    default:
      return "nothing";
  }
}

JsonObject::JsonObject(const Json& value, std::string file, std::string path)
    : value_(value), file_(std::move(file)), path_(std::move(path)) {
  if (!value_.is_object()) {
    throw corrupt(file_, "{} is {}, expected an object",
                  path_.empty() ? "the JSON" : in_quotes(path_), kind_name(value_));
  }
}

Error JsonObject::wrong(const std::string& key, std::string_view expected) const {
  const auto found = value_.find(key);
  std::string what = "missing";
  if (found != value_.end()) {
    what = found->is_primitive()
               ? in_quotes(found->dump(-1, ' ', true, Json::error_handler_t::replace))
               : std::string(kind_name(*found));
  }
  return corrupt(file_, "key {} is {}, expected {}", in_quotes(path_ + key), what, expected);
}

const Json& JsonObject::json(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) throw wrong(key, "a value");
  return *found;
}

std::string JsonObject::text(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_string()) throw wrong(key, "a text");
  return found->get<std::string>();
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t least,
                                 std::int64_t most) const {
  const auto found = value_.find(key);
  const auto expected = [&] { return fmt::format("an integer in {}..{}", least, most); };
  if (found == value_.end() || !found->is_number_integer()) throw wrong(key, expected());
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) {
    throw wrong(key, expected());
  }
  const auto n = found->get<std::int64_t>();
  if (n < least || n > most) throw wrong(key, expected());
  return n;
}

double JsonObject::real(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_number() || !std::isfinite(found->get<double>())) {
    throw wrong(key, "a number");
  }
  return found->get<double>();
}

bool JsonObject::boolean(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_boolean()) throw wrong(key, "true or false");
  return found->get<bool>();
}

std::vector<std::string> JsonObject::texts(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_array() ||
      !std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_string(); })) {
    throw wrong(key, "an array of texts");
  }
  return found->get<std::vector<std::string>>();
}

JsonObject JsonObject::object(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_object()) throw wrong(key, "an object");
  return {*found, file_, path_ + key + "."};
}

std::vector<JsonObject> JsonObject::objects(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_array()) throw wrong(key, "an array of objects");
  std::vector<JsonObject> result;
  for (std::size_t i = 0; i < found->size(); ++i) {
    result.emplace_back((*found)[i], file_, fmt::format("{}{}[{}].", path_, key, i));
  }
  return result;
}

std::string JsonObject::sha256(const std::string& key, bool may_be_empty) const {
  const std::string hash = text(key);
  if (!is_sha256(hash) && !(may_be_empty && hash.empty())) {
    throw wrong(key, "64 lower-case hexadecimal digits");
  }
  return hash;
}

}  // namespace crayon
