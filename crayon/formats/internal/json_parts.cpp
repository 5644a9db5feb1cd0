#include "crayon/formats/internal/json_parts.h"

#include <climits>

#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

constexpr int kMostLayers = 4096;
constexpr int kMostWidth = 1 << 24;
constexpr int kPromptVersion = 1;

}  // namespace

Json to_json(const BaseModel& base) {
  return {{"architecture", base.architecture}, {"name", base.name},       {"sha256", base.sha256},
          {"n_layers", base.n_layers},         {"d_model", base.d_model}, {"n_heads", base.n_heads},
          {"n_kv_heads", base.n_kv_heads},     {"d_ff", base.d_ff},       {"n_vocab", base.n_vocab},
          {"vocab_sha256", base.vocab_sha256}};
}

BaseModel read_base(const JsonObject& object) {
  const auto width = [&](const char* key) {
    return static_cast<int>(object.integer(key, 1, kMostWidth));
  };
  BaseModel base;
  base.architecture = object.text("architecture");
  base.name = object.text("name");
  base.sha256 = object.sha256("sha256", /*may_be_empty=*/true);
  base.n_layers = static_cast<int>(object.integer("n_layers", 1, kMostLayers));
  base.d_model = width("d_model");
  base.n_heads = width("n_heads");
  base.n_kv_heads = width("n_kv_heads");
  base.d_ff = width("d_ff");
  base.n_vocab = width("n_vocab");
  base.vocab_sha256 = object.sha256("vocab_sha256", /*may_be_empty=*/true);
  return base;
}

Json to_json(const PromptFormat& prompt) {
  return {{"version", prompt.version},
          {"style", prompt.style == PromptStyle::Chat ? "chat" : "plain"},
          {"system", prompt.system},
          {"with_context", prompt.with_context},
          {"without_context", prompt.without_context},
          {"choice_prefix", prompt.choice_prefix}};
}

PromptFormat read_prompt(const JsonObject& object) {
  PromptFormat prompt;
  prompt.version = static_cast<int>(object.integer("version", 1, INT_MAX));
  if (prompt.version > kPromptVersion) {
    throw file_error(ErrorCode::Unsupported, object.file(),
                     "has prompt version {}, this program knows up to {}; update crayon",
                     prompt.version, kPromptVersion);
  }
  const std::string style = object.text("style");
  if (style != "plain" && style != "chat") throw object.wrong("style", "'plain' or 'chat'");
  prompt.style = style == "chat" ? PromptStyle::Chat : PromptStyle::Plain;
  prompt.system = object.text("system");
  prompt.with_context = object.text("with_context");
  prompt.without_context = object.text("without_context");
  prompt.choice_prefix = object.text("choice_prefix");
  try {
    check_format(prompt);
  } catch (const Error& error) {
    throw corrupt(object.file(), "prompt: {}", error.what());
  }
  return prompt;
}

Json to_json(const Calibration& calibration) {
  Json json = {{"slope", calibration.slope},
               {"intercept", calibration.intercept},
               {"n", calibration.n},
               {"approximate", calibration.approximate}};
  if (calibration.guess != 0) json["guess"] = calibration.guess;
  return json;
}

Calibration read_calibration(const JsonObject& object) {
  Calibration calibration;
  calibration.slope = object.real("slope");
  calibration.intercept = object.real("intercept");
  calibration.n = static_cast<std::size_t>(object.integer("n", 0, INT64_MAX));
  calibration.approximate = object.boolean("approximate");
  if (object.has("guess")) {  // older programs knew none
    calibration.guess = object.real("guess");
    if (!(calibration.guess >= 0 && calibration.guess < 1)) {
      throw object.wrong("guess", "0 to less than 1");
    }
  }
  return calibration;
}

}  // namespace crayon
