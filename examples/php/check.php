<?php

require __DIR__ . '/listen_fd.php';

foreach (array_slice($argv, 1) as $label) {
    echo listen_fd($label) ?? -1, "\n";
}
