#include "listen_fd.hpp"

#include <iostream>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) std::cout << listen_fd(argv[i]).value_or(-1) << '\n';
}
