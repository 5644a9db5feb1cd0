// The program `crayon`.
#include <iostream>

#include "crayon/cli/program.h"

int main(int argc, char** argv) { return crayon::run_program(argc, argv, std::cout, std::cerr); }
