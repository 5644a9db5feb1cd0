#include "crayon/router/internal/expression.h"

#include <stdexcept>

namespace crayon {
namespace {

RE2::Options bytes() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  return options;
}

}  // namespace

Expression::Expression(const char* pattern) : regex_(pattern, bytes()) {
  if (!regex_.ok()) throw std::logic_error("router: " + regex_.error());
}

}  // namespace crayon
