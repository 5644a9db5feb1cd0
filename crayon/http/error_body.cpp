#include <nlohmann/json.hpp>

#include "crayon/http/server.h"

namespace crayon {

std::string openai_error_body(ErrorCode code, const std::string& message) {
  const auto& meaning = info(code);
  const char* type = meaning.http_status < 500 ? "invalid_request_error" : "server_error";
  const nlohmann::ordered_json body = {
      {"error",
       {{"message", message}, {"type", type}, {"param", nullptr}, {"code", meaning.name}}}};
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace crayon
